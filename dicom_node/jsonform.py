"""Domain values as JSON, one form for the API, the CLI and the files."""

from typing import Any

from pydantic import TypeAdapter

from dicom_node.domain import StudyDetail, WorklistItem

_ITEM: TypeAdapter[WorklistItem] = TypeAdapter(WorklistItem)
_DETAIL: TypeAdapter[StudyDetail] = TypeAdapter(StudyDetail)


def item(row: WorklistItem) -> dict[str, Any]:
    """Return the contract's worklist item, JSON types only."""
    plain: dict[str, Any] = _ITEM.dump_python(row, mode="json")
    return plain


def detail(study: StudyDetail) -> dict[str, Any]:
    """Return the item's own keys with the study's history beside them."""
    plain: dict[str, Any] = _DETAIL.dump_python(study, mode="json")
    return {**plain.pop("item"), **plain}
