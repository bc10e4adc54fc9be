"""Routes of the worklist: the contract's list, and what the page draws.

Whoever has been told of a change (`events`) asks again with the tag of what he has
(``If-None-Match``), and gets 304 in a millisecond or two where nothing of it has changed.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response
from pydantic import BeforeValidator, Field, TypeAdapter, WithJsonSchema

from dicom_node.api.answers import BoardAnswer, BoardItem, WorklistAnswer
from dicom_node.api.services import Node, Services
from dicom_node.api.watch import tick
from dicom_node.domain import Priority, RunState, WorklistHead, WorklistItem
from dicom_node.worklist.filters import Filter
from dicom_node.worklist.listing import Listing, page
from dicom_node.worklist.order import bound_min, place

_LONGEST: Final = 500
_LONGEST_BOARD: Final = 1000
_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    HTTPStatus.NOT_MODIFIED.value: {"description": "Nothing has changed since If-None-Match"}
}
_WORKLIST: TypeAdapter[WorklistAnswer] = TypeAdapter(WorklistAnswer)
_BOARD: TypeAdapter[BoardAnswer] = TypeAdapter(BoardAnswer)
_ITEM_FIELDS: Final = tuple(field.name for field in fields(WorklistItem))


def _given(value: object) -> object:
    """Take an empty parameter, as a form sends it, for one that is not there."""
    return None if value == "" else value


def _or_empty(kind: type[StrEnum]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": [*(word.value for word in kind), ""]})


_Word = Annotated[str, Field(pattern="^[A-Z0-9_ ]{0,16}$")]
_Count = Annotated[int, Field(ge=1, le=10_000)]
_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": 10_000}
_State = Annotated[RunState | None, BeforeValidator(_given), _or_empty(RunState)]
_Modality = Annotated[_Word | None, BeforeValidator(_given)]
_Priority = Annotated[Priority | None, BeforeValidator(_given), _or_empty(Priority)]
_Limit = Annotated[
    _Count | None,
    BeforeValidator(_given),
    WithJsonSchema({"anyOf": [_COUNT, {"type": "string", "maxLength": 0}]}),
]
_Text = Annotated[str, Field(max_length=200, description="words in name, id, accession, UID")]
_Tag = Annotated[str, Header(alias="If-None-Match")]

router = APIRouter(tags=["worklist"])


@router.get("/ai/worklist", response_model=WorklistAnswer, responses=_UNCHANGED)
def worklist(
    node: Node,
    state: _State = None,
    modality: _Modality = None,
    limit: _Limit = None,
    if_none_match: _Tag = "",
) -> Response:
    """List the studies in reading order, the first ``limit`` of them, 500 by default."""
    now = node.clock()
    tag = _tag(node, now)
    if _has(if_none_match, tag):
        return _unchanged(tag)
    items, _ = _read(node, Filter(state, modality), limit or _LONGEST, now)
    return _answer(_WORKLIST.dump_json(WorklistAnswer(items=items, generated_at=now)), tag)


@router.get("/ai/board", response_model=BoardAnswer, responses=_UNCHANGED)
def board(  # noqa: PLR0913, PLR0917 - each parameter is one of the query
    node: Node,
    state: _State = None,
    modality: _Modality = None,
    priority: _Priority = None,
    q: _Text = "",
    limit: _Limit = None,
    if_none_match: _Tag = "",
) -> Response:
    """List what the worklist page shows: the items with their place, and counts.

    In reading order, the first ``limit`` of them, 1,000 by default. ``q`` is searched for
    without regard to case and accents; every word must occur.
    """
    now = node.clock()
    tag = _tag(node, now)
    if _has(if_none_match, tag):
        return _unchanged(tag)
    wanted = Filter(state, modality, priority, q)
    items, listing = _read(node, wanted, limit or _LONGEST_BOARD, now)
    answer = BoardAnswer(
        items=tuple(_placed(item, node, now) for item in items),
        matching=listing.matching,
        total=listing.total,
        states=listing.states,
        modalities=listing.modalities,
        generated_at=now,
        notice=node.room.refusal(),
    )
    return _answer(_BOARD.dump_json(answer), tag)


def _read(
    node: Services, wanted: Filter, limit: int, now: datetime
) -> tuple[tuple[WorklistItem, ...], Listing]:
    """Return the items of one page and what the page tells of the others, on one snapshot."""
    listings: list[Listing] = []

    def choose(heads: Sequence[WorklistHead]) -> Sequence[str]:
        listings.append(page(heads, wanted, limit, node.policy, now))
        return listings[0].uids

    return node.ledger.queries.chosen(choose), listings[0]


def _placed(item: WorklistItem, node: Services, now: datetime) -> BoardItem:
    return BoardItem(
        **{name: getattr(item, name) for name in _ITEM_FIELDS},
        place=place(item, node.policy, now).name,
        bound_min=bound_min(item, node.policy),
    )


def _tag(node: Services, now: datetime) -> str:
    """Return a weak entity tag: equal as long as nothing but clocks differs in the answers."""
    seen = (
        node.ledger.changes.revision(),
        tick(now),
        node.policy.hash,
        node.settings.public,
        bool(node.room.refusal()),
    )
    return f'W/"{sha256(repr(seen).encode()).hexdigest()[:20]}"'


def _has(if_none_match: str, tag: str) -> bool:
    return tag in (part.strip() for part in if_none_match.split(","))


def _unchanged(tag: str) -> Response:
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_headers(tag))


def _answer(body: bytes, tag: str) -> Response:
    return Response(body, media_type="application/json", headers=_headers(tag))


def _headers(tag: str) -> dict[str, str]:
    """Return headers that keep names out of the browser's cache; the page itself holds the tag."""
    return {"Cache-Control": "no-store", "ETag": tag}
