"""Decides inside Orthanc about every request: the plugin's incoming-request filter.

Runs in Orthanc's embedded Python, which knows neither the ledger nor passwords. Who somebody is
the guard asks the API process, and keeps the answer for seconds; what he may do is `rules`. Below
``/ai`` and ``/ohif`` it lets everything short pass to the API, which applies the same rules and can
answer with more than a bare 403. Orthanc reads a request's body after this, and whole.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Lock, get_ident
from typing import Final, Self
from urllib.parse import quote

import httpx
from cachetools import TTLCache

from dicom_node import log
from dicom_node.access.fetches import Fetches, LookUp
from dicom_node.access.origin import Origins
from dicom_node.access.rules import permits
from dicom_node.domain import ANONYMOUS, Identity, Role
from dicom_node.errors import SettingsError
from dicom_node.settings import Settings

TOKEN_HEADER: Final = "x-node-token"  # noqa: S105  # the header's name, no secret
FETCHED_HEADER: Final = "x-node-fetched"
"""With `WHO`: the study, percent-encoded, of which this person fetches images or tags."""

WHO: Final = "/internal/who"
_TIMEOUT_S: Final = 10.0
_KEPT_S: Final = 3.0
_REMEMBERED_S: Final = 600.0
"""How long somebody whom the API knew may go on reading while its process is away."""

_KEPT: Final = 2048
_TOLD: Final = 16_384
_TOLD_S: Final = 3600.0
"""As often as the trail says it again (`api.looks`)."""

_THREADS: Final = 1024
_LONGEST_BODY: Final = 65_536
"""Of a request to the API, where nobody has yet asked who sent it; a comment has 4,000 letters."""

_METHODS: Final = {1: "GET", 2: "POST", 3: "PUT", 4: "DELETE"}
"""OrthancPluginHttpMethod; Orthanc hands HEAD and OPTIONS over as GET, and answers neither."""


_ANYBODY: Final = Identity(ANONYMOUS, Role.READER)


@dataclass(frozen=True, slots=True)
class Who:
    """The API's answer: who sent these credentials, if anybody, and whether the node is open."""

    identity: Identity | None
    is_open: bool


def speaks_for_the_node(headers: Mapping[str, str], token: str) -> bool:
    """Tell in constant time whether a request carries the node's own token."""
    return hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), token.encode())


class Guard:
    """Says yes or no to each request; safe to share between threads."""

    def __init__(
        self,
        api: httpx.Client,
        token: str,
        origins: Origins,
        *,
        proxied: bool,
        fetches: Fetches,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._token = token
        self._origins = origins
        self._proxied = proxied
        self._fetches = fetches
        self._told: TTLCache[tuple[str, str], bool] = TTLCache(_TOLD, _TOLD_S, timer)
        self._was_open = False
        self._known: TTLCache[bytes, Who] = TTLCache(_KEPT, _KEPT_S, timer)
        self._remembered: TTLCache[bytes, Identity] = TTLCache(_KEPT, _REMEMBERED_S, timer)
        self._lock = Lock()
        self._addresses: TTLCache[int, str] = TTLCache(_THREADS, 3600)

    @classmethod
    def connect(cls, settings: Settings, look_up: LookUp) -> Self:
        """Prepare the connection to the API process; raise SettingsError without a token."""
        token = settings.internal_token
        if token is None:
            raise SettingsError(f"{settings.token_file} is missing: dicom-node up makes it")
        origins = Origins.of(settings.public)
        fetches = Fetches(look_up)
        proxied = settings.is_proxied
        return cls(api_client(settings), token, origins, proxied=proxied, fetches=fetches)

    def admits(
        self,
        path: str,
        method: int,
        address: str,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
    ) -> bool:
        """Decide about one request, by the node's own token or by who sent it.

        Orthanc calls it on the thread that will carry the request out, and tells the address of
        the sender here alone: it is kept for `address`. What a person fetches of a study goes into
        the audit trail; where it cannot, nothing is fetched.
        """
        sent = _lowered(headers)
        address = self._sender(address, sent)
        with self._lock:
            self._addresses[get_ident()] = address
        if speaks_for_the_node(sent, self._token):
            return True
        if _is_the_apis(path):
            return _is_short(sent)
        verb = _METHODS.get(method, "")
        if self._origins.fault(verb, sent.get("host", ""), sent):
            log.get().warning("access.foreign", method=verb, status=403)
            return False
        identity = self._who(sent, address)
        if identity is None or not permits(identity.role, verb, path):
            return False
        if verb != "GET":
            return True
        studies = self._fetches.studies(path, query or {})
        return all(self._is_noted(uid, identity, sent, address) for uid in studies)

    def is_the_node(self, headers: Mapping[str, str]) -> bool:
        """Tell whether one of the node's own processes sent a request."""
        return speaks_for_the_node(_lowered(headers), self._token)

    def address(self) -> str:
        """Return the address of whoever sent the request that this thread carries out."""
        with self._lock:
            return self._addresses.get(get_ident(), "")

    def _is_noted(
        self, study_uid: str, identity: Identity, headers: Mapping[str, str], address: str
    ) -> bool:
        """Tell whether the audit trail knows that somebody fetches a study; see that it does."""
        key = (identity.name, study_uid)
        with self._lock:
            if key in self._told:
                return True
        who = self._ask(_credentials(headers), address, fetched=study_uid)
        if who is None and identity == _ANYBODY:
            return True  # nobody in particular looks, and reading goes on
        if who is None or who.identity is None or who.identity.name != identity.name:
            log.get().warning("access.not_noted", study_uid=study_uid)
            return False
        with self._lock:
            self._told[key] = True
        return True

    def _sender(self, address: str, headers: Mapping[str, str]) -> str:
        """Return the sender's address; a proxy of the site appends the one that it saw."""
        seen = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return seen if self._proxied and seen else address

    def _who(self, headers: Mapping[str, str], address: str) -> Identity | None:
        credentials = _credentials(headers)
        key = hashlib.sha256(repr((sorted(credentials.items()), address)).encode()).digest()
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = self._ask(credentials, address)
            with self._lock:
                if known is None:
                    return self._meanwhile(key)
                self._known[key] = known
                self._was_open = known.is_open
                self._remembered.pop(key, None)
                if known.identity is not None:
                    self._remembered[key] = replace(known.identity, role=Role.READER)
        return known.identity

    def _meanwhile(self, key: bytes) -> Identity | None:
        """Return who reads on while the API process is away: nobody changes anything then."""
        return _ANYBODY if self._was_open else self._remembered.get(key)

    def _ask(self, credentials: Mapping[str, str], address: str, fetched: str = "") -> Who | None:
        """Ask the API process; None where it does not answer. ``fetched``: a study's UID."""
        sent = {**credentials, TOKEN_HEADER: self._token, "x-node-address": address}
        if fetched:
            sent[FETCHED_HEADER] = quote(fetched, safe="")
        headers = httpx.Headers(sent, encoding="utf-8")  # a cookie of another application's
        try:
            answer = self._api.get(WHO, headers=headers)
        except httpx.HTTPError as exc:
            log.get().warning("access.api_unavailable", error=type(exc).__name__)
            return None
        if not answer.is_success:  # too many wrong passwords, or the database is away
            log.get().warning("access.not_told", status=answer.status_code)
            return Who(None, is_open=False) if answer.is_client_error else None
        told = answer.json()
        role = told["role"]
        identity = None if role is None else Identity(told["user"], Role(role))
        return Who(identity, is_open=bool(told["open"]))


def api_client(settings: Settings, timeout_s: float = _TIMEOUT_S) -> httpx.Client:
    """Return a client of the API process: ``unix:PATH`` or ``http://host:port``."""
    unix = settings.api.startswith("unix:")
    transport = httpx.HTTPTransport(
        uds=settings.api.removeprefix("unix:") if unix else None,
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
    )
    return httpx.Client(
        base_url="http://api" if unix else settings.api,
        transport=transport,
        timeout=timeout_s,
        trust_env=False,
        headers={"Accept-Encoding": "identity"},  # unless the browser asks for another
    )


def _credentials(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in ("authorization", "cookie") if name in headers}


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _is_short(headers: Mapping[str, str]) -> bool:
    """Tell by its headers whether a request's body is one that the API could want."""
    length = headers.get("content-length", "0")
    known = length.isascii() and length.isdecimal() and len(length) <= len(str(_LONGEST_BODY))
    if known and int(length) <= _LONGEST_BODY and "transfer-encoding" not in headers:
        return True
    log.get().warning("access.too_long", status=403)
    return False


def _is_the_apis(path: str) -> bool:
    return path.startswith(("/ai/", "/ohif/")) or path in {"/ai", "/ohif"}
