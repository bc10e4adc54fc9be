"""Routes of the login at the site's own provider: there, and back."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from dicom_node.access.oidc import LONGEST_S, Arrival, Provider
from dicom_node.access.origin import cookie_name
from dicom_node.api.door import Door
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Node, Services, Who
from dicom_node.api.signin import AtDoor, Wanted, enter, later_page, login_page, place
from dicom_node.errors import AccessError

_PATH: Final = "/ai/login/oidc"
Word = Annotated[str, Query(max_length=4096)]

router = APIRouter(include_in_schema=False)


@router.get("/ai/login/oidc", response_model=None)
async def leave(
    request: Request, node: Node, door: AtDoor, wanted: Wanted = "/ai/"
) -> RedirectResponse | HTMLResponse:
    """Send the browser to the provider."""
    try:
        departure = await _provider(request).depart(request, place(wanted))
    except AccessError as exc:
        return login_page(wanted, str(exc), HTTPStatus.BAD_GATEWAY, sso=True)
    response = RedirectResponse(departure.url, HTTPStatus.SEE_OTHER)
    response.set_cookie(
        _cookie(node),
        departure.sealed,
        max_age=LONGEST_S,
        path=_PATH,
        secure=door.secure,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("/ai/login/oidc/callback")
async def come_back(
    request: Request, node: Node, door: AtDoor, who: Who, state: Word = "", code: Word = ""
) -> HTMLResponse:
    """Begin a session for whom the provider vouches."""
    del state, code  # Authlib reads them from the request; here only their length is bounded
    if wait_s := door.limits.login("", who.address):
        return later_page("/ai/", wait_s, sso=True)
    try:
        arrival = await _provider(request).arrive(request, request.cookies.get(_cookie(node), ""))
    except AccessError as exc:
        await run_in_threadpool(door.failed, who.address, "oidc")
        return login_page("/ai/", str(exc), HTTPStatus.UNAUTHORIZED, sso=True)
    token = await run_in_threadpool(_let_in, door, arrival, who.address)
    response = enter(door, token, place(arrival.wanted))
    response.delete_cookie(
        _cookie(node), path=_PATH, secure=door.secure, httponly=True, samesite="lax"
    )
    return response


def _cookie(node: Services) -> str:
    """Return the name of the cookie that holds a login under way."""
    return cookie_name("oidc", node.settings.public)


def _let_in(door: Door, arrival: Arrival, address: str) -> str:
    """Write down who has come, and return the token of his session."""
    door.welcome_site_user(arrival.identity, arrival.issuer, arrival.sub, address)
    return door.begin(arrival.identity)


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "this node has no login service of the site")
    return provider
