"""Stands before every route: only the plugin comes in, and each user only where his role leads.

The plugin's filter decides about Orthanc's own paths; here the same rules decide about ``/ai``
and ``/ohif``, where a refusal can be a problem (RFC 9457) or lead to the login page.
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicom_node.access.guard import WHO, speaks_for_the_node
from dicom_node.access.origin import Origins
from dicom_node.access.rules import SAFE, is_public, permits
from dicom_node.api import safety
from dicom_node.api.door import Door, Visitor
from dicom_node.api.problems import of_error, problem
from dicom_node.errors import NodeError

_POLLED: Final = frozenset({"/ai/board", "/ai/health"})
"""Asked for by pages that nobody need look at: they keep no session alive."""

REFRESH: Final = "x-refresh"
"""With ``1`` such a page says that nobody has asked for this, whatever it is."""


class Doorkeeper:
    """ASGI middleware; what it lets in has a `Visitor` in ``request.state.visitor``."""

    def __init__(self, app: ASGIApp, door: Door, token: str, origins: Origins) -> None:
        self._app = app
        self._door = door
        self._token = token
        self._origins = origins

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
        await (refusal or self._app)(scope, receive, answer)

    def _refusal(self, request: Request) -> Response | None:
        try:
            return self._decide(request)
        except NodeError as exc:  # the ledger is away: nobody can be told apart
            return of_error(exc)

    def _decide(self, request: Request) -> Response | None:
        """Return why a request goes no further, or None."""
        headers = request.headers
        if not speaks_for_the_node(headers, self._token):
            detail = "the API answers Orthanc's plugin alone; ask at Orthanc's HTTP port"
            return problem(HTTPStatus.UNAUTHORIZED, detail, {})
        of_the_node = request.url.path == WHO or headers.get("x-node-machine") == "yes"
        host = headers.get("x-node-host", "")
        if not of_the_node and (fault := self._origins.fault(request.method, host, headers)):
            return problem(HTTPStatus.FORBIDDEN, fault, {})
        used = request.url.path not in _POLLED and headers.get(REFRESH) != "1"
        visitor = self._door.visitor(headers, used=used)
        request.state.visitor = visitor
        if visitor.wait_s:
            return too_many(visitor.wait_s)
        return None if of_the_node else self._by_role(request, visitor)

    def _by_role(self, request: Request, visitor: Visitor) -> Response | None:
        method, path = request.method, request.url.path
        if is_public(method, path):
            return None
        if visitor.identity is None:
            return _log_in_first(request)
        if not permits(visitor.identity.role, method, path):
            detail = f"a {visitor.identity.role} may not do this; ask whoever runs the node"
            return problem(HTTPStatus.FORBIDDEN, detail, {})
        if method in SAFE:
            return None
        wait_s = self._door.limits.change(visitor.identity.name, visitor.address)
        return too_many(wait_s) if wait_s else None


def too_many(wait_s: int) -> Response:
    """Return the problem of somebody who tries too often."""
    detail = f"too many attempts; try again in {wait_s} s"
    response = problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {})
    response.headers["Retry-After"] = str(wait_s)
    return response


def _log_in_first(request: Request) -> Response:
    if request.method in SAFE and "text/html" in request.headers.get("accept", ""):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/ai/login?next={quote(wanted, safe='')}", HTTPStatus.SEE_OTHER)
    detail = "log in at /ai/login, or send a user and a password by HTTP Basic"
    response = problem(HTTPStatus.UNAUTHORIZED, detail, {})
    # A scheme of our own: with "Basic" every browser would ask by itself, and never forget.
    response.headers["WWW-Authenticate"] = 'Session realm="dicom-node"'
    return response
