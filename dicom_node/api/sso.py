"""Routes of the login at the site's own provider: there, and back."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Cookie, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from dicom_node.access.oidc import Provider
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Node, Services, Who
from dicom_node.api.signin import AtDoor, Wanted, enter, login_page, place
from dicom_node.domain import Identity
from dicom_node.errors import AccessError

_COOKIE: Final = "dicom-node-oidc"
_PATH: Final = "/ai/login/oidc"
_KEPT_S: Final = 600
Word = Annotated[str, Query(max_length=4096)]

router = APIRouter(include_in_schema=False)


@router.get("/ai/login/oidc", response_model=None)
def leave(
    request: Request, door: AtDoor, wanted: Wanted = "/ai/"
) -> RedirectResponse | HTMLResponse:
    """Send the browser to the provider."""
    try:
        departure = _provider(request).depart(place(wanted))
    except AccessError as exc:
        return login_page(wanted, str(exc), HTTPStatus.BAD_GATEWAY, sso=True)
    response = RedirectResponse(departure.url, HTTPStatus.SEE_OTHER)
    response.set_cookie(
        _COOKIE,
        departure.browser,
        max_age=_KEPT_S,
        path=_PATH,
        secure=door.secure,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("/ai/login/oidc/callback")
def come_back(  # noqa: PLR0913, PLR0917 - each parameter is one of the request
    request: Request,
    node: Node,
    door: AtDoor,
    who: Who,
    state: Word = "",
    code: Word = "",
    browser: Annotated[str, Cookie(alias=_COOKIE)] = "",
) -> HTMLResponse:
    """Begin a session for whom the provider vouches."""
    if wait_s := door.limits.login("", who.address):
        words = f"Too many attempts. Try again in {wait_s} seconds."
        return login_page("/ai/", words, HTTPStatus.TOO_MANY_REQUESTS, sso=True)
    try:
        identity, wanted = _provider(request).arrive(state, code, browser)
        _refuse_namesakes(node, identity)
    except AccessError as exc:
        door.failed("", who.address, "oidc")
        return login_page("/ai/", str(exc), HTTPStatus.UNAUTHORIZED, sso=True)
    door.welcome(identity.name, identity.role, who.address, "oidc")
    return enter(door, door.begin(identity.name, identity.role), wanted)


def _refuse_namesakes(node: Services, identity: Identity) -> None:
    """Raise AccessError where a user of the node has that name: the trail knows names alone."""
    if node.ledger.users.get(identity.name) is not None:
        raise AccessError(f"{identity.name} has a password here; log in with that")


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, "this node has no login service of the site")
    return provider
