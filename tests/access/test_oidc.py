"""Login at a provider of OpenID Connect; the provider is a small one, over real HTTP."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from dicom_node.access.journeys import Journey, Seal
from dicom_node.access.oidc import Departure, Provider
from dicom_node.domain import RESERVED, Identity, Role
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

    def _id_token(self) -> str:
        given = {"iss": self.issuer, "aud": "node", "exp": int(time.time()) + 60}
        header = {"alg": "ES256", "kid": self.key.kid}
        return jwt.encode(header, {**given, "nonce": self.nonce, **self.claims}, self.key)


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
    secret = tmp_path / "secret"
    secret.write_text("a secret\n", encoding="utf-8")
    chosen = OidcSettings(
        issuer=site.issuer,
        client_id="node",
        client_secret_file=secret,
        role_claim="groups",
        roles={"ai-readers": Role.READER, "ai-operators": Role.OPERATOR},
    )
    return Provider(chosen, "http://127.0.0.1:8042")


def leave(provider: Provider, site: Site, wanted: str = "/ai/") -> tuple[Departure, str]:
    """Leave for the provider; return the departure and its state."""
    departure = provider.depart(wanted)
    asked = parse_qs(urlsplit(departure.url).query)
    site.nonce = asked["nonce"][0]
    return departure, asked["state"][0]


def log_in(provider: Provider, site: Site) -> Identity:
    departure, state = leave(provider, site)
    identity, _ = provider.arrive(state, "code", departure.sealed)
    return identity


def test_strongest_role_of_a_user_counts(provider: Provider, site: Site) -> None:
    assert log_in(provider, site) == Identity("grace", Role.OPERATOR)
    site.claims["groups"] = "ai-readers"
    assert log_in(provider, site) == Identity("grace", Role.READER)


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
    assert provider.arrive(state, "code", departure.sealed)[1] == "/ai/trends"


def test_login_is_ended_by_the_browser_alone_that_began_it(provider: Provider, site: Site) -> None:
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
        (state, Seal().close(Journey(state, "v", "n", "/ai/"))),
    ):
        with pytest.raises(AccessError, match="begun elsewhere"):
            provider.arrive(wrong, "code", sealed)


def test_seal_hides_what_it_holds_and_runs_out() -> None:
    now = [1000.0]
    seal = Seal(lambda: now[0])
    journey = Journey("state", "the-verifier", "the-nonce", "/ai/")
    sealed = seal.close(journey)
    assert seal.open(sealed) == journey
    assert not any(word.encode() in decoded(sealed) for word in ("verifier", "nonce", "/ai/"))
    now[0] += 600
    assert seal.open(sealed) is None


def test_sealed_journey_fits_into_a_cookie() -> None:
    seal = Seal()
    for wanted, kept in (("/ai/" + "x" * 2044, "/ai/" + "x" * 2044), ("/ai/" + "x" * 4000, "")):
        sealed = seal.close(Journey("s" * 43, "v" * 43, "n" * 43, wanted))
        assert len(sealed) < 3800
        opened = seal.open(sealed)
        assert opened is not None
        assert opened.wanted == kept


def decoded(sealed: str) -> bytes:
    return b"".join(urlsafe_b64decode(part + "==") for part in sealed.split("."))


def test_name_is_the_first_that_the_provider_tells(provider: Provider, site: Site) -> None:
    site.claims |= {"preferred_username": "", "email": "Grace@hospital.example"}
    assert log_in(provider, site).name == "grace@hospital.example"
    site.claims["email"] = None
    assert log_in(provider, site).name == "7"
