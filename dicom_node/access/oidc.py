"""Login by the site's own provider: OpenID Connect Core 1.0, authorization code with PKCE."""

import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from cachetools import TTLCache
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from dicom_node.access.journeys import Journey, Seal
from dicom_node.domain import Identity, Role, checked_name
from dicom_node.errors import AccessError
from dicom_node.settings import OidcSettings

_TIMEOUT_S: Final = 10.0
_METADATA_KEPT_S: Final = 3600.0
_FORGOTTEN_EVERY_S: Final = 60.0
_LEEWAY_S: Final = 60
_SIGNATURES: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"]
"""Asymmetric ones alone: neither ``none`` nor a client's secret signs for a user."""

_NAMES: Final = ("preferred_username", "email", "sub")
_STRONGEST_FIRST: Final = (Role.OPERATOR, Role.RADIOLOGIST, Role.READER)


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send a browser, and the sealed journey that it brings back in a cookie."""

    url: str
    sealed: str


class Provider:
    """The site's provider; safe to share between threads."""

    def __init__(self, site: OidcSettings, public: str) -> None:
        self._site = site
        self._redirect_uri = f"{public}/ai/login/oidc/callback"
        self._seal = Seal()
        self._metadata: TTLCache[str, Mapping[str, Any]] = TTLCache(4, _METADATA_KEPT_S)
        self._forgotten: TTLCache[str, bool] = TTLCache(4, _FORGOTTEN_EVERY_S)
        self._lock = Lock()

    def depart(self, wanted: str) -> Departure:
        """Begin a login that ends at the place ``wanted``; raises AccessError."""
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        journey = Journey(state, verifier, nonce, wanted)
        with _told(), self._client() as client:
            url, _ = client.create_authorization_url(
                self._fetched("/.well-known/openid-configuration")["authorization_endpoint"],
                state=journey.state,
                code_verifier=journey.verifier,
                nonce=journey.nonce,
            )
        return Departure(url, self._seal.close(journey))

    def arrive(self, state: str, code: str, sealed: str) -> tuple[Identity, str]:
        """Return who came back, and where he wanted to go; raises AccessError.

        A state serves the browser alone that left with it. A code serves once at the provider
        (RFC 6749 4.1.2), and only with the verifier that is under the seal.
        """
        journey = self._seal.open(sealed)
        if journey is None or not secrets.compare_digest(journey.state.encode(), state.encode()):
            raise AccessError("this login has run out or was begun elsewhere; log in again")
        metadata = self._fetched("/.well-known/openid-configuration")
        with _told(), self._client() as client:
            token = client.fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=journey.verifier,
            )
            claims = self._checked(str(token["id_token"]), journey.nonce, metadata["issuer"])
        return self._identity(claims), journey.wanted

    def _checked(self, id_token: str, nonce: str, issuer: str) -> Mapping[str, Any]:
        """Return the claims of an ID token that is what it must be (OIDC Core 3.1.3.7)."""
        if issuer.rstrip("/") != self._site.issuer.rstrip("/"):
            raise AccessError("the site's login service calls itself otherwise than NODE_OIDC says")
        metadata = self._fetched("/.well-known/openid-configuration")
        keys_at = str(metadata["jwks_uri"])
        try:
            token = jwt.decode(id_token, self._keys(keys_at), algorithms=_SIGNATURES)
        except InvalidKeyIdError:  # the provider signs by a new key
            self._forget(keys_at)
            token = jwt.decode(id_token, self._keys(keys_at), algorithms=_SIGNATURES)
        jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self._site.client_id},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        ).validate(token.claims)
        if token.claims.get("azp", self._site.client_id) != self._site.client_id:
            raise AccessError("the site's login service named another client; nobody is logged in")
        return token.claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        given = claims.get(self._site.role_claim)
        values = {given} if isinstance(given, str) else set(map(str, _listed(given)))
        roles = {role for value, role in self._site.roles.items() if value in values}
        role = next((role for role in _STRONGEST_FIRST if role in roles), None)
        if role is None:
            raise AccessError("the site's login service gives you no role here; ask for one")
        name = next(claims[claim] for claim in _NAMES if claims.get(claim))
        return Identity(checked_name(name if isinstance(name, str) else ""), role)

    def _keys(self, url: str) -> KeySet:
        return KeySet.import_key_set({"keys": list(self._fetched(url)["keys"])})

    def _forget(self, url: str) -> None:
        """Have a document fetched anew; once a minute, or anybody could keep us at it."""
        with self._lock:
            if url not in self._forgotten:
                self._forgotten[url] = True
                self._metadata.pop(url, None)

    def _fetched(self, where: str) -> Mapping[str, Any]:
        """Return a JSON document of the provider, kept for an hour; raises AccessError."""
        url = f"{self._site.issuer.rstrip('/')}{where}" if where.startswith("/") else where
        with self._lock:
            known = self._metadata.get(url)
        if known is not None:
            return known
        with _told():
            answer = httpx.get(url, timeout=_TIMEOUT_S, verify=self._tls(), trust_env=False)
            found: Mapping[str, Any] = answer.raise_for_status().json()
        with self._lock:
            self._metadata[url] = found
        return found

    def _client(self) -> OAuth2Client:
        return OAuth2Client(
            self._site.client_id,
            self._site.client_secret_file.read_text(encoding="utf-8").strip(),
            scope="openid profile email",
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
            verify=self._tls(),
            trust_env=False,
        )

    def _tls(self) -> ssl.SSLContext | bool:
        file = self._site.ca_file
        return True if file is None else ssl.create_default_context(cafile=str(file))


def _listed(given: object) -> list[Any]:
    """Return a claim that is to be a list, which a provider may send as null or as anything."""
    return given if isinstance(given, list) else []


@contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong between us and the provider into one sentence without its words."""
    try:
        yield
    except (
        httpx.HTTPError,
        AuthlibBaseError,
        JoseError,
        OSError,
        KeyError,
        TypeError,
        ValueError,
    ) as exc:
        raise AccessError(
            f"the login at the site's login service failed ({type(exc).__name__}); log in again, "
            "and tell whoever runs the node if it stays so"
        ) from exc
