"""Who stands at the door: sessions, HTTP Basic, the node's own processes, or nobody."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Final

from cachetools import TTLCache
from starlette.requests import cookie_parser

from dicom_node import log
from dicom_node.access.limits import Limits
from dicom_node.access.origin import session_cookie
from dicom_node.access.passwords import Passwords
from dicom_node.api.haunts import Haunts
from dicom_node.domain import ANONYMOUS, UNKNOWN, Identity, Role
from dicom_node.ledger import Ledger, Lifetime
from dicom_node.settings import Settings

_BASIC_KEPT_S: Final = 300.0
_OPEN_KEPT_S: Final = 1.0
_WRONG_KEPT_S: Final = 5.0
"""nginx asks twice about a request that is refused: the same wrong guess again is no other one."""

_KEPT: Final = 1024
_NODE: Final = Identity("node", Role.OPERATOR)
_EVERYBODY: Final = Identity(ANONYMOUS, Role.OPERATOR)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sent a request, if he proved it, from which address; ``wait_s``: too many attempts."""

    identity: Identity | None
    address: str
    is_open: bool = False
    wait_s: int = 0
    of_the_node: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a login went: an identity, or none; ``wait_s`` where it was not even tried."""

    identity: Identity | None
    wait_s: int = 0


class Door:
    """Tells who somebody is; safe to share between threads."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self.limits = Limits()
        self.secure = settings.public.startswith("https:")
        self.cookie = session_cookie(settings.public)
        self.lifetime = Lifetime(
            timedelta(minutes=settings.session_idle_min),
            timedelta(hours=settings.session_longest_h),
        )
        self._ledger = ledger
        self._has_provider = settings.oidc is not None
        self._always_shut = settings.allow_remote or self._has_provider
        self._passwords = Passwords()
        self._haunts = Haunts(ledger)
        self._lock = Lock()
        self._open: TTLCache[str, bool] = TTLCache(1, _OPEN_KEPT_S)
        self._basic: TTLCache[bytes, tuple[str, str]] = TTLCache(_KEPT, _BASIC_KEPT_S)
        self._wrong: TTLCache[tuple[bytes, str], bool] = TTLCache(_KEPT, _WRONG_KEPT_S)

    def is_open(self) -> bool:
        """Tell whether nobody needs to log in: no user, and no other machine."""
        if self._always_shut:
            return False
        with self._lock:
            known = self._open.get("")
        if known is None:
            known = not self._ledger.users.any()
            with self._lock:
                self._open[""] = known
        return known

    def visitor(self, headers: Mapping[str, str], *, of_the_node: bool, used: bool) -> Visitor:
        """Return who sent a request with these headers, among them nginx's own.

        ``of_the_node``: whether the node's token came with it. ``used``: whether the request is a
        person's act, which keeps his session alive.
        """
        address = headers.get("x-node-address", "")
        if of_the_node:
            return Visitor(_NODE, address, of_the_node=True)
        if self.is_open():
            return Visitor(_EVERYBODY, address, is_open=True)
        token = self.token(headers)
        identity = self._by_session(token, used=used) if token else None
        if identity is not None:
            return Visitor(identity, address)
        attempt = self._by_basic(headers.get("authorization", ""), address)
        return Visitor(attempt.identity, address, wait_s=attempt.wait_s)

    def token(self, headers: Mapping[str, str]) -> str:
        """Return the session's token, empty without one."""
        return cookie_parser(headers.get("cookie", "")).get(self.cookie, "")

    def log_in(self, name: str, password: str, address: str, by: str) -> Attempt:
        """Check a name and a password, within the limits, and write down how it went."""
        user = self._ledger.users.get(name)
        fits = False
        with self._passwords.turn():
            usual = user is not None and self._haunts.has(user.name, address)
            if wait_s := self.limits.begin_login(name, address, usual=usual):
                log.get().warning("access.too_many_attempts", status=429)
                return Attempt(None, wait_s)
            try:
                hashed = None if user is None else user.password_hash
                fits = self._passwords.fits(password, hashed) and not (user and user.disabled)
            finally:
                self.limits.end_login(name, address, failed=not fits, usual=usual)
        if user is None or not fits:
            self._note_failed(UNKNOWN if user is None else user.name, address, by)
            return Attempt(None)
        self._ledger.audit.append(user.name, "login", detail=_how(user.role, by, address))
        self._haunts.add(user.name, address)
        log.get().info("access.login", user_role=user.role.value)
        return Attempt(Identity(user.name, user.role))

    def failed(self, address: str, by: str) -> None:
        """Count a login that failed at the site's provider, and write it down."""
        self.limits.login_failed("", address)
        self._note_failed(UNKNOWN, address, by)

    def _note_failed(self, who: str, address: str, by: str) -> None:
        self._ledger.audit.append(who, "login.failed", detail=f"{by} from {address}")

    def welcome_site_user(self, identity: Identity, issuer: str, sub: str, address: str) -> None:
        """Write down that the site's provider vouches for a user."""
        how = _how(identity.role, "oidc", address)
        self._ledger.site_users.welcome(identity, issuer, sub, how)
        log.get().info("access.login", user_role=identity.role.value)

    def begin(self, identity: Identity) -> str:
        """Begin a session and return its token.

        The role of a user of the site's provider is that of his login; the node's own have theirs
        in the ledger.
        """
        role = identity.role if identity.subject else None
        return self._ledger.sessions.begin(identity.name, self.lifetime, role, identity.subject)

    def end(self, token: str, identity: Identity | None) -> None:
        """End a session."""
        self._ledger.sessions.end(token)
        if identity is not None:
            self._ledger.audit.append(identity.actor, "logout")

    def _by_session(self, token: str, *, used: bool) -> Identity | None:
        return self._ledger.sessions.identity(
            token, self.lifetime, used=used, vouched=self._has_provider
        )

    def _by_basic(self, authorization: str, address: str) -> Attempt:
        """Check HTTP Basic credentials (RFC 7617); right ones are remembered for minutes."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return Attempt(None)
        try:
            name, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return Attempt(None)
        key = hashlib.sha256(authorization.encode()).digest()
        with self._lock:
            known = self._basic.get(key)
            if known is None and (key, address) in self._wrong:
                return Attempt(None)
        if known is not None:
            user = self._ledger.users.get(known[0])
            if user and not user.disabled and user.password_hash == known[1]:
                return Attempt(Identity(user.name, user.role))
        attempt = self.log_in(name, password, address, "basic")
        user = self._ledger.users.get(name)
        with self._lock:
            if attempt.identity is not None:
                self._basic[key] = (name, "" if user is None else user.password_hash)
            elif not attempt.wait_s:
                self._wrong[key, address] = True
        return attempt


def _how(role: Role, by: str, address: str) -> str:
    """Return the words of the audit trail about a login."""
    return f"{by} as {role} from {address}"
