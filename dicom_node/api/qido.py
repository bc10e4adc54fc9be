"""QIDO-RS for the viewer's study list: searches that find, and urgent studies first.

OHIF asks once for so many studies and sorts what it got, so where there are more, those that
matter must be among them: the list comes in the worklist's reading order (PS3.18 10.6).
"""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse
from pydicom.datadict import tag_for_keyword

from dicom_node.api.problems import ProblemError, document
from dicom_node.api.services import Node, Services
from dicom_node.domain import MatchingKey
from dicom_node.worklist.order import order

MEDIA_TYPE: Final = "application/dicom+json"
_MOST: Final = 1000
_RAW: Final = "/=,*?\\^:@!$;~+-"
"""What a query may hold as it is; Orthanc would not undo the encoding of more."""

router = APIRouter(prefix="/ai/qido", tags=["viewer"])


class DicomJson(JSONResponse):
    """An answer in the DICOM JSON model (PS3.18 F)."""

    media_type = MEDIA_TYPE


@router.get(
    "/studies",
    response_model=list[dict[str, object]],
    response_class=DicomJson,
    responses=document(HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE),
)
def studies(request: Request, node: Node) -> DicomJson:
    """Search for studies as QIDO-RS does, in reading order; at most 1,000 at once.

    Keys are tags or keywords, with ``limit``, ``offset`` and ``includefield`` as in PS3.18 8.3.
    """
    asked = request.query_params.multi_items()
    keys = [_key(k, v) for k, v in asked if k.lower() not in _OWN and v]
    fields = [f for k, v in asked if k.lower() == "includefield" for f in v.split(",") if f]
    limit = _count(asked, "limit", _MOST)
    offset = _count(asked, "offset", 0)
    found = node.catalogue.matching(keys)
    page = _in_reading_order(node, found)[offset : offset + min(limit, _MOST)]
    entries = node.catalogue.described(page, fields)
    return DicomJson([entry.attributes for entry in entries], headers={"Cache-Control": "no-store"})


@router.get("/studies/{path:path}", include_in_schema=False)
def below(path: str, request: Request) -> RedirectResponse:
    """Lead searches below a study to Orthanc, with their query as it understands it."""
    query = "&".join(f"{k}={quote(v, safe=_RAW)}" for k, v in request.query_params.multi_items())
    return RedirectResponse(f"/dicom-web/studies/{quote(path)}?{query}")


_TAG: Final = re.compile("[0-9A-Fa-f]{8}")
_OWN: Final = frozenset({"limit", "offset", "includefield", "fuzzymatching"})


def _key(attribute: str, value: str) -> MatchingKey:
    if not _TAG.fullmatch(attribute) and tag_for_keyword(attribute) is None:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"no attribute is called {attribute[:64]}")
    return MatchingKey(attribute, value)


def _count(asked: Iterable[tuple[str, str]], name: str, default: int) -> int:
    given = [value for key, value in asked if key.lower() == name]
    if not given:
        return default
    if not given[0].isdecimal():
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} is a whole number from 0")
    return int(given[0])


def _in_reading_order(node: Services, found: Sequence[str]) -> list[str]:
    """Return UIDs in the worklist's order; what it does not know comes last."""
    items = order(node.ledger.queries.heads(), node.policy, node.clock())
    places = {item.study_instance_uid: place for place, item in enumerate(items)}
    return sorted(found, key=lambda uid: (places.get(uid, len(places)), uid))
