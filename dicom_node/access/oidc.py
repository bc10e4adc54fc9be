"""Login by the site's own provider: OpenID Connect Core 1.0, authorization code with PKCE.

Authlib carries it out. Here is what a site decides, what is asked of a provider beyond Authlib's
own checks, and where a login under way is kept: by the browser that has left, under a seal. The
node keeps none itself: whoever knocks may leave without end, and crowds nobody out.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.errors import MismatchingStateError
from authlib.integrations.starlette_client import StarletteIntegration, StarletteOAuth2App
from cachetools import TTLCache
from cryptography.fernet import Fernet, InvalidToken
from joserfc.errors import JoseError
from starlette.requests import Request

from dicom_node import secret
from dicom_node.domain import Identity, Role, checked_name, subject
from dicom_node.errors import AccessError, SettingsError
from dicom_node.settings import OidcSettings

LONGEST_S: Final = 600
_LONGEST_WANTED: Final = 2048
"""Browsers keep no cookie of more than 4096 bytes (RFC 6265 6.1)."""

_TIMEOUT_S: Final = 10.0
_METADATA_KEPT_S: Final = 3600.0
_KEYS_AGAIN_S: Final = 60.0
_LEEWAY_S: Final = 60
_SIGNATURES: Final = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"]
"""Asymmetric ones alone: neither ``none`` nor a client's secret signs for a user."""

_NAMES: Final = ("preferred_username", "email", "sub")
_STRONGEST_FIRST: Final = (Role.OPERATOR, Role.RADIOLOGIST, Role.READER)


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send a browser, and what it brings back in a cookie, sealed."""

    url: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who came back, for whom the provider vouches by ``sub``, and where he wanted to go."""

    identity: Identity
    issuer: str
    sub: str
    wanted: str


class Provider:
    """The site's provider."""

    def __init__(
        self, site: OidcSettings, public: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._site = site
        self._redirect_uri = f"{public}/ai/login/oidc/callback"
        self._fernet = Fernet(Fernet.generate_key())  # a restart forgets the logins under way
        self._clock = clock
        self._app = _Client(site)
        self._authorities: TTLCache[str, ssl.SSLContext] = TTLCache(1, _METADATA_KEPT_S)

    async def depart(self, request: Request, wanted: str) -> Departure:
        """Begin a login that ends at the place ``wanted``; raises AccessError."""
        request.scope["session"] = {"wanted": wanted if len(wanted) <= _LONGEST_WANTED else ""}
        with _told():
            client = self._client()
            begun = await client.create_authorization_url(self._redirect_uri)
            url = begun.pop("url")
            await client.save_authorize_data(request, redirect_uri=self._redirect_uri, **begun)
        text = json.dumps(request.session).encode()
        return Departure(url, self._fernet.encrypt_at_time(text, int(self._clock())).decode())

    async def arrive(self, request: Request, sealed: str) -> Arrival:
        """Return who came back; raises AccessError.

        A state serves the browser alone that left with it. A code serves once at the provider
        (RFC 6749 4.1.2), and only with the verifier that is under the seal.
        """
        request.scope["session"] = self._opened(sealed)
        with _told():
            client = self._client()
            issuer = (await client.load_server_metadata())["issuer"]
            options = {
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": self._site.client_id},
            }
            token = await client.authorize_access_token(
                request, claims_options=options, leeway=_LEEWAY_S
            )
            claims: Mapping[str, Any] = token["userinfo"]
            stands_for_good = subject(issuer, claims["sub"])
        identity = self._identity(claims, stands_for_good)
        return Arrival(identity, issuer, claims["sub"], request.session["wanted"])

    def _opened(self, sealed: str) -> dict[str, Any]:
        """Return what this process has sealed, unless it has run out."""
        try:
            text = self._fernet.decrypt_at_time(sealed.encode(), LONGEST_S, int(self._clock()))
        except (InvalidToken, UnicodeEncodeError):
            return {}
        opened: dict[str, Any] = json.loads(text)
        return opened

    def _identity(self, claims: Mapping[str, Any], stands_for_good: str) -> Identity:
        given = claims.get(self._site.role_claim)
        values = {given} if isinstance(given, str) else set(map(str, _listed(given)))
        roles = {role for value, role in self._site.roles.items() if value in values}
        role = next((role for role in _STRONGEST_FIRST if role in roles), None)
        if role is None:
            raise AccessError("the site's login service gives you no role here; ask for one")
        name = next(claims[claim] for claim in _NAMES if claims.get(claim))
        return Identity(checked_name(name if isinstance(name, str) else ""), role, stands_for_good)

    def _client(self) -> "_Client":
        """Return the client with the secret as it is now; authorities are read once an hour."""
        self._app.client_secret = secret.read(self._site.client_secret_file)
        if not self._authorities:
            file = self._site.ca_file
            self._authorities[""] = (
                httpx.create_ssl_context(trust_env=False)
                if file is None
                else ssl.create_default_context(cafile=str(file))
            )
        self._app.client_kwargs["verify"] = self._authorities[""]
        return self._app


class _Client(StarletteOAuth2App):  # type: ignore[misc]  # authlib has no types
    """Authlib's client, for one issuer, which believes no other algorithms than ours."""

    server_metadata: dict[str, Any]

    def __init__(self, site: OidcSettings) -> None:
        self._issuer = site.issuer.rstrip("/")
        self._keys_at = 0.0
        super().__init__(
            StarletteIntegration("site"),
            name="site",
            client_id=site.client_id,
            server_metadata_url=f"{self._issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_S,
                "trust_env": False,
            },
        )

    async def load_server_metadata(self) -> dict[str, Any]:
        """Return what the provider says of itself, asked for once an hour."""
        if self.server_metadata.get("_loaded_at", 0) + _METADATA_KEPT_S < time.time():
            self.server_metadata = {}
        told: dict[str, Any] = await super().load_server_metadata()
        if told["issuer"].rstrip("/") != self._issuer:
            raise AccessError("the site's login service calls itself otherwise than NODE_OIDC says")
        told["id_token_signing_alg_values_supported"] = _SIGNATURES
        return told

    async def fetch_jwk_set(self, force: bool = False) -> Mapping[str, Any]:
        """Return the provider's keys, anew where one is unknown: once a minute, or we never end."""
        again = force and self._keys_at + _KEYS_AGAIN_S < time.monotonic()
        if again:
            self._keys_at = time.monotonic()
        found: Mapping[str, Any] = await super().fetch_jwk_set(force=again)
        return found


def _listed(given: object) -> list[Any]:
    """Return a claim that is to be a list, which a provider may send as null or as anything."""
    return given if isinstance(given, list) else []


@contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong between us and the provider into one sentence without its words."""
    try:
        yield
    except MismatchingStateError as exc:
        raise AccessError("this login has run out or was begun elsewhere; log in again") from exc
    except (
        httpx.HTTPError,
        AuthlibBaseError,
        JoseError,
        OSError,
        AttributeError,
        KeyError,
        RuntimeError,
        SettingsError,
        TypeError,
        ValueError,
    ) as exc:
        raise AccessError(
            f"the login at the site's login service failed ({type(exc).__name__}); log in again, "
            "and tell whoever runs the node if it stays so"
        ) from exc
