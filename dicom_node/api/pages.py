"""Routes for people: the worklist, its page, the description of the API."""

import html
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Node
from dicom_node.worklist.order import rule_text

STATIC: Final = Path(__file__).with_name("static")

router = APIRouter()


@router.get("/ai", include_in_schema=False)
@router.get("/ai/", include_in_schema=False)
def page(node: Node) -> HTMLResponse:
    """Show the triage worklist."""
    template = Template((STATIC / "worklist.html").read_text())
    return HTMLResponse(template.substitute(rule=html.escape(rule_text(node.policy))))


@router.get("/ai/docs", include_in_schema=False)
def docs() -> HTMLResponse:
    """Show the description of the API; needs nothing from other hosts."""
    return HTMLResponse((STATIC / "docs.html").read_text())


@router.get("/ohif", include_in_schema=False)
@router.get("/ohif/{path:path}", include_in_schema=False)
def viewer(path: str = "") -> None:
    """Keep the viewer's place."""
    del path
    raise ProblemError(HTTPStatus.NOT_FOUND, "the viewer is not installed on this node")
