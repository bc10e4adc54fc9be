"""Login at a provider of OpenID Connect; the provider is a small one, over real HTTP."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey
from starlette.requests import Request

from dicom_node.access.oidc import Arrival, Departure, Provider
from dicom_node.domain import NODES_OWN, RESERVED, Identity, Role, checked_name, subject
from dicom_node.errors import AccessError
from dicom_node.settings import OidcSettings

CLAIMS = {"sub": "7", "preferred_username": "Grace", "groups": ["others", "ai-operators"]}


class Site:
    """A provider that says of everybody what it is told to say."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.claims: dict[str, Any] = dict(CLAIMS)
        self.nonce = ""
        self.asked: list[str] = []
        self.signed: str | None = None
        self.key = new_key("first")
        self.published = self.key

    def answer(self, path: str) -> object:
        self.asked.append(path)
        if path == "/token":
            return {"access_token": "a", "token_type": "Bearer", "id_token": self._id_token()}
        if path == "/jwks":
            return {"keys": [self.published.as_dict(private=False)]}
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }

    def told(self) -> dict[str, Any]:
        """Return what an ID token says; a claim of None is left out."""
        now = int(time.time())
        given = {"iss": self.issuer, "aud": "node", "iat": now, "exp": now + 60}
        said = {**given, "nonce": self.nonce, **self.claims}
        return {
            name: value for name, value in said.items() if name == "groups" or value is not None
        }

    def _id_token(self) -> str:
        header = {"alg": "ES256", "kid": self.key.kid}
        return self.signed or jwt.encode(header, self.told(), self.key)


def new_key(name: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": name})


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(told.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told = Site(server.server_port)
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def provider(site: Site, tmp_path: Path) -> Provider:
    return provider_of(site, tmp_path)


def provider_of(site: Site, tmp_path: Path, clock: Callable[[], float] = time.time) -> Provider:
    secret = tmp_path / "secret"
    secret.write_text("a secret of the site\n", encoding="utf-8")
    chosen = OidcSettings(
        issuer=site.issuer,
        client_id="node",
        client_secret_file=secret,
        role_claim="groups",
        roles={"ai-readers": Role.READER, "ai-operators": Role.OPERATOR},
    )
    return Provider(chosen, "http://127.0.0.1:8042", clock)


def leave(provider: Provider, site: Site, wanted: str = "/ai/") -> tuple[Departure, str]:
    """Leave for the provider; return the departure and its state."""
    departure = asyncio.run(provider.depart(request(), wanted))
    asked = parse_qs(urlsplit(departure.url).query)
    site.nonce = asked["nonce"][0]
    return departure, asked["state"][0]


def request(query: str = "") -> Request:
    return Request({"type": "http", "method": "GET", "headers": [], "query_string": query.encode()})


def arrive(provider: Provider, state: str, sealed: str) -> Arrival:
    query = urlencode({"state": state, "code": "code"})
    return asyncio.run(provider.arrive(request(query), sealed))


def log_in(provider: Provider, site: Site) -> Identity:
    departure, state = leave(provider, site)
    return arrive(provider, state, departure.sealed).identity


def test_strongest_role_of_a_user_counts(provider: Provider, site: Site) -> None:
    known_as = f"{site.issuer}#7"
    assert log_in(provider, site) == Identity("grace", Role.OPERATOR, known_as)
    site.claims["groups"] = "ai-readers"
    assert log_in(provider, site) == Identity("grace", Role.READER, known_as)


@pytest.mark.parametrize("groups", [None, [], "", 7, {"ai-operators": True}, ["others", None]])
def test_claim_without_a_role_turns_away(provider: Provider, site: Site, groups: object) -> None:
    site.claims["groups"] = groups
    with pytest.raises(AccessError, match="no role here"):
        log_in(provider, site)


@pytest.mark.parametrize(
    "name",
    [
        *sorted(
            RESERVED | {"Node", "x:123", "host:7", "a" * 65, "a b", "ada\u200b", "dr.wh\u043e"}
        ),
        *("\u212aarl", "ada\n", "\u202eada", 7, ["ada"]),
    ],
)
def test_name_that_could_pass_for_anothers_is_refused(
    provider: Provider, site: Site, name: object
) -> None:
    site.claims["preferred_username"] = name
    with pytest.raises(AccessError, match="choose one"):
        log_in(provider, site)


def test_new_key_of_the_provider_is_fetched_at_once(provider: Provider, site: Site) -> None:
    log_in(provider, site)
    site.key = site.published = new_key("second")
    assert log_in(provider, site).name == "grace"
    assert site.asked.count("/jwks") == 2


def test_keys_that_nobody_knows_are_not_asked_for_again_and_again(
    provider: Provider, site: Site
) -> None:
    site.key = new_key("forged")
    for _ in range(3):
        with pytest.raises(AccessError, match="InvalidKeyIdError"):
            log_in(provider, site)
    assert site.asked.count("/jwks") == 2


def test_login_leads_to_where_the_user_wanted_to_go(provider: Provider, site: Site) -> None:
    departure, state = leave(provider, site, "/ai/trends")
    assert arrive(provider, state, departure.sealed).wanted == "/ai/trends"


def test_login_is_ended_by_the_browser_alone_that_began_it(
    provider: Provider, site: Site, tmp_path: Path
) -> None:
    departure, state = leave(provider, site)
    other, others_state = leave(provider, site)
    for wrong, sealed in (
        (state, ""),
        (state, "a.b.c.d.e"),
        (state, "eyJhbGciOlsiZGlyIl0sImVuYyI6e319..AA.AA.AA"),
        (state, other.sealed),
        (others_state, departure.sealed),
        ("", departure.sealed),
        ("é", departure.sealed),
        (state, departure.sealed[:-4] + "AAAA"),
        (state, "é"),
        (state, leave(provider_of(site, tmp_path), site)[0].sealed),
    ):
        with pytest.raises(AccessError, match="begun elsewhere"):
            arrive(provider, wrong, sealed)
    assert "/token" not in site.asked


def test_seal_hides_what_it_holds_and_runs_out(site: Site, tmp_path: Path) -> None:
    now = [time.time()]
    provider = provider_of(site, tmp_path, lambda: now[0])
    departure, state = leave(provider, site)
    held = urlsafe_b64decode(departure.sealed)
    assert not any(word in held for word in (b"verifier", site.nonce.encode(), b"/ai/"))
    assert arrive(provider, state, departure.sealed).identity.name == "grace"
    now[0] += 601
    with pytest.raises(AccessError, match="run out"):
        arrive(provider, state, departure.sealed)


@pytest.mark.parametrize(("length", "is_kept"), [(2044, True), (4000, False)])
def test_sealed_journey_fits_into_a_cookie(
    provider: Provider, site: Site, length: int, is_kept: bool
) -> None:
    wanted = "/ai/" + "x" * length
    departure, state = leave(provider, site, wanted)
    assert len(departure.sealed) < 3800
    assert arrive(provider, state, departure.sealed).wanted == (wanted if is_kept else "")


def test_name_is_the_first_that_the_provider_tells(provider: Provider, site: Site) -> None:
    site.claims |= {"preferred_username": "", "email": "Grace@hospital.example"}
    assert log_in(provider, site).name == "grace@hospital.example"
    site.claims["email"] = None
    assert log_in(provider, site).name == "7"


def test_user_is_known_by_issuer_and_subject_whatever_he_is_called(
    provider: Provider, site: Site
) -> None:
    grace = log_in(provider, site)
    site.claims["preferred_username"] = "Hopper"
    renamed = log_in(provider, site)
    assert (renamed.actor, renamed.name) == (grace.actor, "hopper")
    site.claims |= {"preferred_username": "Grace", "sub": "8"}
    namesake = log_in(provider, site)
    assert namesake.name == grace.name
    assert namesake.actor != grace.actor
    assert Identity("grace", Role.READER).actor not in {grace.actor, namesake.actor}


@pytest.mark.parametrize(
    "sub", ["auth0|5f", "a b", "worker:7", "7\n", "ß\u202e", "#", "%23", "7" * 255, "node"]
)
def test_subject_of_odd_characters_stays_one_word_of_its_own(
    provider: Provider, site: Site, sub: str
) -> None:
    site.claims["sub"] = sub
    actor = log_in(provider, site).actor
    assert actor.startswith(f"{site.issuer}#")
    assert actor.isascii()
    assert len(actor.split()) == 1


@pytest.mark.parametrize("sub", [None, "", 7, ["7"], "7" * 256])
def test_subject_that_is_none_turns_away(provider: Provider, site: Site, sub: object) -> None:
    site.claims["sub"] = sub
    with pytest.raises(AccessError):
        log_in(provider, site)


def test_subject_that_is_no_text_is_an_access_error() -> None:
    with pytest.raises(AccessError, match="no text"):
        subject("https://login.example", "\ud800")


@given(st.text(min_size=1, max_size=255), st.text(min_size=1, max_size=255))
def test_no_two_subjects_are_written_alike(one: str, other: str) -> None:
    def known_as(sub: str) -> str:
        return subject("https://login.example", sub)

    assert (known_as(one) == known_as(other)) == (one == other)
    assert known_as(one) not in NODES_OWN
    with pytest.raises(AccessError):
        checked_name(known_as(one))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"azp": "another"},
        {"exp": 1},
        {"exp": None},
        {"nonce": "another"},
        {"nonce": None},
        {"iat": 1 << 34},
        {"nbf": 1 << 34},
    ],
)
def test_token_that_is_not_for_this_login_lets_nobody_in(
    provider: Provider, site: Site, claims: dict[str, Any]
) -> None:
    site.claims |= claims
    with pytest.raises(AccessError, match="login service failed"):
        log_in(provider, site)


def test_token_signed_by_no_key_of_the_provider_lets_nobody_in(
    provider: Provider, site: Site
) -> None:
    departure, state = leave(provider, site)
    payload = json.dumps(site.told())
    key = OctKey.import_key("a secret of the site")
    signed = jws.serialize_compact({"alg": "HS256"}, payload, key, algorithms=["HS256"])
    unsigned = f"{encoded({'alg': 'none'})}.{encoded(site.told())}."
    for site.signed in (signed, unsigned):
        with pytest.raises(AccessError, match="login service failed"):
            arrive(provider, state, departure.sealed)


def encoded(part: object) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def test_words_of_the_provider_are_not_repeated(provider: Provider, site: Site) -> None:
    departure, state = leave(provider, site)
    query = urlencode({"state": state, "error": "<b>", "error_description": "patient Doe"})
    with pytest.raises(AccessError) as told:
        asyncio.run(provider.arrive(request(query), departure.sealed))
    assert str(told.value).startswith("the login at the site's login service failed")
    assert not any(word in str(told.value) for word in ("<b>", "Doe"))


def test_provider_that_calls_itself_otherwise_is_not_believed(
    provider: Provider, site: Site
) -> None:
    site.issuer = "https://elsewhere.example"
    with pytest.raises(AccessError, match="calls itself otherwise"):
        leave(provider, site)
