"""Stands before every route, and before Orthanc: each user comes only where his role leads.

nginx alone is heard, which shows the node's token. About a request for Orthanc, or with a body
that it has not read yet, nginx asks at `ADMIT` and goes on or not; whoever is turned away is told
why at `REFUSED`, where the same is judged again.
"""

import hmac
from collections.abc import Mapping
from http import HTTPStatus
from threading import Lock
from typing import Final
from urllib.parse import quote

from cachetools import TTLCache
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicom_node.access import asked
from dicom_node.access.asked import Asked
from dicom_node.access.fetches import Fetches
from dicom_node.access.origin import Origins
from dicom_node.access.rules import SAFE, is_public, permits
from dicom_node.api import looks, safety
from dicom_node.api.door import Door, Visitor
from dicom_node.api.pages import page
from dicom_node.api.problems import of_error, problem
from dicom_node.api.services import Services
from dicom_node.domain import Identity
from dicom_node.errors import AccessError, NodeError

ADMIT: Final = "/internal/admit"
REFUSED: Final = "/internal/refused"
STATUS: Final = "X-Node-Status"
"""With a no: what nginx answers by itself where it would have to take a body in to ask again."""

_POLLED: Final = frozenset({"/ai/board", "/ai/events", "/ai/health"})
"""Asked for by pages that nobody need look at: they keep no session alive."""

REFRESH: Final = "x-refresh"
"""With ``1`` such a page says that nobody has asked for this, whatever it is."""

_KEPT: Final = 2048
_KEPT_S: Final = 3.0
"""One look-up of rights serves the many frames of a series."""

_TOLD: Final = 16_384
_TOLD_S: Final = 3600.0
"""As often as the trail says it again (`api.looks`)."""


class Doorkeeper:
    """ASGI middleware; what it lets in has a `Visitor` in ``request.state.visitor``."""

    def __init__(
        self, app: ASGIApp, door: Door, services: Services, origins: Origins, fetches: Fetches
    ) -> None:
        self._app = app
        self._door = door
        self._services = services
        self._origins = origins
        self._fetches = fetches
        self._lock = Lock()
        self._known: TTLCache[tuple[str, ...], Visitor] = TTLCache(_KEPT, _KEPT_S)
        self._told: TTLCache[tuple[str, str], bool] = TTLCache(_TOLD, _TOLD_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it; either way with the headers of `safety`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                safety.add(MutableHeaders(scope=message), scope["path"], self._door.secure)
            await send(message)

        refusal = await run_in_threadpool(self._refusal, Request(scope))
        if scope["path"] == ADMIT:
            status = HTTPStatus.NO_CONTENT if refusal is None else HTTPStatus.FORBIDDEN
            told = {} if refusal is None else {STATUS: str(refusal.status_code)}
            await Response(status_code=status, headers=told)(scope, receive, send)
        elif scope["path"] == REFUSED:
            await (refusal or _admitted_meanwhile())(scope, receive, answer)
        else:
            await (refusal or self._app)(scope, receive, answer)

    def _refusal(self, request: Request) -> Response | None:
        try:
            return self._decide(request)
        except NodeError as exc:  # the ledger is away: nobody can be told apart
            return of_error(exc)

    def _decide(self, request: Request) -> Response | None:
        """Return why a request goes no further, or None."""
        headers = request.headers
        if not self._is_the_nodes(headers.get("x-node-token", "")):
            detail = "the API answers the node's front door alone; ask at the node's HTTP port"
            return problem(HTTPStatus.UNAUTHORIZED, detail, {})
        try:
            wanted = _wanted(request)
        except AccessError as exc:
            return problem(HTTPStatus.BAD_REQUEST, str(exc), {})
        of_the_node = self._is_the_nodes(headers.get("x-node-claim", ""))
        host = headers.get("x-node-host", "")
        if not of_the_node and (fault := self._origins.fault(wanted.method, host, headers)):
            return problem(HTTPStatus.FORBIDDEN, fault, {})
        visitor = self._visitor(wanted, headers, of_the_node=of_the_node)
        request.state.visitor = visitor
        if visitor.wait_s:
            return too_many(visitor.wait_s, headers)
        return None if of_the_node else self._by_role(wanted, headers, visitor)

    def _is_the_nodes(self, token: str) -> bool:
        """Tell in constant time whether this is the node's own token."""
        return hmac.compare_digest(token.encode(), self._services.token.encode())

    def _visitor(self, wanted: Asked, headers: Mapping[str, str], *, of_the_node: bool) -> Visitor:
        """Return who asks; whoever fetches images was recognised a moment ago."""
        names = ("cookie", "authorization", "x-node-address")
        key = tuple(headers.get(name, "") for name in names)
        if wanted.of_orthanc and not of_the_node:
            with self._lock:
                if known := self._known.get(key):
                    return known
        used = wanted.path not in _POLLED and headers.get(REFRESH) != "1"
        visitor = self._door.visitor(headers, of_the_node=of_the_node, used=used)
        if visitor.identity is not None and wanted.of_orthanc and not of_the_node:
            with self._lock:
                self._known[key] = visitor
        return visitor

    def _by_role(
        self, wanted: Asked, headers: Mapping[str, str], visitor: Visitor
    ) -> Response | None:
        if is_public(wanted.method, wanted.path):
            return None
        if visitor.identity is None:
            return _log_in_first(headers)
        if not permits(visitor.identity.role, wanted.method, wanted.path):
            detail = f"a {visitor.identity.role} may not do this; ask whoever runs the node"
            return problem(HTTPStatus.FORBIDDEN, detail, {})
        if wanted.of_orthanc:
            return self._of_orthanc(wanted, visitor.identity)
        if wanted.method in SAFE or not wanted.path.startswith("/ai/"):
            return None  # images come by thousands; nginx has asked about each already
        wait_s = self._door.limits.change(visitor.identity.actor, visitor.address)
        return too_many(wait_s, headers) if wait_s else None

    def _of_orthanc(self, wanted: Asked, identity: Identity) -> Response | None:
        """Return why this goes not to Orthanc: no room for what is sent, no note of a fetch."""
        if wanted.method == "POST" and not self._services.room.admits(wanted.path, wanted.length):
            detail = self._services.room.refusal(wanted.length)
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, {})
        if wanted.method == "GET":
            for study_uid in self._fetches.studies(wanted.path, wanted.query):
                self._note(identity, study_uid)
        return None

    def _note(self, identity: Identity, study_uid: str) -> None:
        """See that the audit trail knows of a fetch; raises LedgerUnavailable: then it fails."""
        key = (identity.actor, study_uid)
        with self._lock:
            if key in self._told:
                return
        looks.at_images(self._services, identity.actor, study_uid)
        with self._lock:
            self._told[key] = True


def too_many(wait_s: int, headers: Mapping[str, str]) -> Response:
    """Return the page, or the problem, of somebody who tries too often."""
    status, after = HTTPStatus.TOO_MANY_REQUESTS, str(wait_s)
    if "text/html" in headers.get("accept", ""):
        response: Response = page("later", status, wait_s=after)
    else:
        response = problem(status, f"too many attempts; try again in {after} s", {})
    response.headers["Retry-After"] = after
    return response


def _wanted(request: Request) -> Asked:
    if request.url.path in {ADMIT, REFUSED}:
        return asked.of_nginx(request.headers)
    return Asked(request.method, request.url.path)


def _admitted_meanwhile() -> Response:
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "the node has changed its mind; try again", {})


def _log_in_first(headers: Mapping[str, str]) -> Response:
    wanted = headers.get("x-node-uri", "")
    if headers.get("x-node-method") in SAFE and "text/html" in headers.get("accept", ""):
        return RedirectResponse(f"/ai/login?next={quote(wanted, safe='')}", HTTPStatus.SEE_OTHER)
    detail = "log in at /ai/login, or send a user and a password by HTTP Basic"
    response = problem(HTTPStatus.UNAUTHORIZED, detail, {})
    # A scheme of our own: with "Basic" every browser would ask by itself, and never forget.
    response.headers["WWW-Authenticate"] = 'Session realm="dicom-node"'
    return response
