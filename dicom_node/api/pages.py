"""Routes for people: the worklist, its page, the description of the API."""

import html
from pathlib import Path
from string import Template
from typing import Annotated, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BeforeValidator, Field

from dicom_node import jsonform
from dicom_node.api.answers import WorklistAnswer
from dicom_node.api.services import Node
from dicom_node.domain import RunState
from dicom_node.worklist.order import order, rule_text

STATIC: Final = Path(__file__).with_name("static")

_LONGEST: Final = 500


def _given(value: object) -> object:
    """Take an empty parameter, as a form sends it, for one that is not there."""
    return None if value == "" else value


_Word = Annotated[str, Field(pattern="^[A-Z0-9_ ]{1,16}$")]
_Count = Annotated[int, Field(ge=1, le=10_000)]
_State = Annotated[RunState | None, BeforeValidator(_given)]
_Modality = Annotated[_Word | None, BeforeValidator(_given)]
_Limit = Annotated[_Count | None, BeforeValidator(_given)]

router = APIRouter()


@router.get("/ai/worklist", response_model=WorklistAnswer, tags=["worklist"])
def worklist(
    node: Node, state: _State = None, modality: _Modality = None, limit: _Limit = None
) -> JSONResponse:
    """List the studies in reading order, the first ``limit`` of them, 500 by default."""
    now = node.clock()
    items = order(node.ledger.queries.worklist(state, modality), node.policy, now)
    body = {
        "items": [jsonform.item(item) for item in items[: limit or _LONGEST]],
        "generated_at": now.isoformat().replace("+00:00", "Z"),
    }
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


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
