"""Routes of login and logout: forms that work without JavaScript."""

from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import parse_qs, quote, urlsplit

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from dicom_node.api.answers import SessionAnswer
from dicom_node.api.door import Door
from dicom_node.api.pages import page
from dicom_node.api.problems import ProblemError, document
from dicom_node.api.services import Node, Who

_LONGEST_FORM: Final = 8192
_HOME: Final = "/ai/"
_PLACES: Final = ("/ai", "/ohif", "/app/")
_WRONG: Final = "Name or password is wrong, or the account is disabled."


def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


AtDoor = Annotated[Door, Depends(_door)]
Wanted = Annotated[str, Query(alias="next", max_length=4096)]

router = APIRouter(tags=["access"])


@router.get("/ai/login", include_in_schema=False)
def login(node: Node, who: Who, wanted: Wanted = _HOME) -> HTMLResponse:
    """Show the login page."""
    return login_page(wanted, "", open_to_all=who.is_open, sso=node.settings.oidc is not None)


@router.post("/ai/login", include_in_schema=False)
async def log_in(request: Request, node: Node, door: AtDoor, who: Who) -> HTMLResponse:
    """Check name and password; begin a session and go where the user wanted to go."""
    form = await _form(request)
    wanted = form.get("next", _HOME)
    sso = node.settings.oidc is not None
    attempt = await run_in_threadpool(
        door.log_in, form.get("user", ""), form.get("password", ""), who.address, "password"
    )
    if attempt.wait_s:
        return later_page(wanted, attempt.wait_s, sso=sso)
    if attempt.identity is None:
        return login_page(wanted, _WRONG, HTTPStatus.UNAUTHORIZED, sso=sso)
    await run_in_threadpool(door.end, door.token(request.headers), who.identity)
    token = await run_in_threadpool(door.begin, attempt.identity)
    return enter(door, token, wanted)


@router.post("/ai/logout", include_in_schema=False)
def log_out(request: Request, door: AtDoor, who: Who) -> RedirectResponse:
    """End the session."""
    token = door.token(request.headers)
    if token:
        door.end(token, who.identity)
    response = RedirectResponse("/ai/login", HTTPStatus.SEE_OTHER)
    response.delete_cookie(door.cookie, secure=door.secure, httponly=True, samesite="lax")
    return response


@router.get(
    "/ai/session", response_model=SessionAnswer, responses=document(HTTPStatus.UNAUTHORIZED)
)
def session(who: Who) -> JSONResponse:
    """Tell who is logged in; ``open`` where nobody needs to be."""
    named = who.identity
    told = {
        "user": named and named.name,
        "role": named and named.role.value,
        "open": who.is_open,
    }
    return JSONResponse(told)


def enter(door: Door, token: str, wanted: str) -> HTMLResponse:
    """Lead a user who has proved who he is to where he wanted to go.

    Not ``SameSite=Strict``: a link to a study in another system would find him logged out, and so
    would the way back from the site's login. What changes something asks for more than a cookie.
    """
    response = HTMLResponse("", HTTPStatus.SEE_OTHER, {"Location": place(wanted)})
    response.set_cookie(
        door.cookie, token, path="/", secure=door.secure, httponly=True, samesite="lax"
    )
    return response


def place(wanted: str) -> str:
    """Return a place of this node's pages: the one wanted, if it is one, else the worklist."""
    plain = wanted.isprintable() and "\\" not in wanted and not wanted.startswith("//")
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return _HOME
    inside = not parts.scheme and not parts.netloc and parts.path.startswith(_PLACES)
    if not plain or not inside or parts.path.startswith("/ai/login"):
        return _HOME
    return quote(wanted, safe="/?&=%:;,+~!*'()@$-._")


def login_page(
    wanted: str,
    trouble: str,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    open_to_all: bool = False,
    sso: bool = False,
) -> HTMLResponse:
    """Return the login page, with what went wrong."""
    wanted = place(wanted)
    return page(
        "login",
        status,
        next=wanted,
        trouble=trouble,
        calm="" if trouble else "hidden",
        open="" if open_to_all else "hidden",
        form="hidden" if open_to_all else "",
        sso="" if sso else "hidden",
        sso_next=quote(wanted, safe=""),
    )


def later_page(wanted: str, wait_s: int, *, sso: bool) -> HTMLResponse:
    """Return the login page for somebody who has tried too often."""
    words = f"Too many attempts. Try again in {wait_s} seconds."
    shown = login_page(wanted, words, HTTPStatus.TOO_MANY_REQUESTS, sso=sso)
    shown.headers["Retry-After"] = str(wait_s)
    return shown


async def _form(request: Request) -> dict[str, str]:
    """Return a form's fields; raise ProblemError where it is none, or endless."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            break
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded" or len(body) > _LONGEST_FORM:
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a login is a form with two fields")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=10)
    except ValueError as exc:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the form cannot be read") from exc
    return {name: values[0] for name, values in fields.items()}
