"""Pages for people: the worklist, its history, the description of the API."""

import html
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from dicom_node.api.services import Node, Who
from dicom_node.worklist.order import places_text, rule_text

STATIC: Final = Path(__file__).with_name("static")

CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",  # heatmaps come as blobs, since the archive wants a header
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
"""Nothing inline and nothing from elsewhere: a name that got into the markup could do nothing."""

_RANGES: Final = frozenset({b"range", b"if-range"})

router = APIRouter(include_in_schema=False)


class Files(StaticFiles):
    """Sends each file as a whole: a range that is none would be answered in plain words."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer without regard to ranges, which a server may do (RFC 9110 14.2)."""
        headers = [(name, value) for name, value in scope["headers"] if name not in _RANGES]
        await super().__call__({**scope, "headers": headers}, receive, send)


@router.get("/ai")
@router.get("/ai/")
def worklist(node: Node, who: Who) -> HTMLResponse:
    """Show the triage worklist."""
    known = who.identity
    named = "" if known is None else f"{known.name}, {known.role}"
    return page(
        "worklist",
        rule=rule_text(node.policy),
        places=places_text(),
        who="open to this machine, no login" if who.is_open else named,
        session="hidden" if who.is_open else "",
        role="" if known is None else known.role,
    )


@router.get("/ai/trends")
def trends() -> HTMLResponse:
    """Show the history as charts."""
    return page("trends")


@router.get("/ai/docs")
def docs() -> HTMLResponse:
    """Show the description of the API; needs nothing from other hosts."""
    return page("docs")


def page(name: str, status: HTTPStatus = HTTPStatus.OK, **words: str) -> HTMLResponse:
    """Fill a template; the policy stands in the page too, since a proxy may drop the header."""
    template = Template((STATIC / f"{name}.html").read_text(encoding="utf-8"))
    safe = {key: html.escape(text) for key, text in words.items()}
    headers = {
        "Content-Security-Policy": f"{CONTENT_POLICY}; frame-ancestors 'none'",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(template.substitute(safe, policy=CONTENT_POLICY), status, headers)
