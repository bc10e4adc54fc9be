"""QIDO-RS: searches that find, in any letters, and urgent studies first (PS3.18 10.6).

A viewer asks once for so many studies and sorts what it got, so where there are more, those that
matter must be among them: studies come in the worklist's reading order.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request, Response
from pydicom.datadict import dictionary_VR, tag_for_keyword

from dicom_node.api import dicomjson
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Node, Services
from dicom_node.domain import Level, MatchingKey
from dicom_node.worklist.order import order

_MOST: Final = 1000
_LONGEST: Final = 1024
_MOST_WILDCARDS: Final = 16
"""In one value: Orthanc makes a regular expression of it."""

_MOST_UIDS: Final = 1000
_OWN: Final = frozenset({"limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching"})
_TAG: Final = re.compile("[0-9A-Fa-f]{8}")
_UID: Final = re.compile(r"[!-~]{1,64}")
"""As senders write them, wildcards too."""

_STUDY: Final = "0020000D"
_SERIES: Final = "0020000E"
_LITERAL: Final = (
    '299 dicom-node "The fuzzymatching parameter is not supported. '
    'Only literal matching has been performed."'
)

_SEARCHED: Final = ["GET", "HEAD"]

router = APIRouter(prefix="/dicom-web", include_in_schema=False)


@router.api_route("/studies", methods=_SEARCHED)
@router.api_route("/studies/", methods=_SEARCHED)
def studies(request: Request, node: Node) -> Response:
    """Search for studies, in reading order; at most 1,000 at once."""
    return _search(request, node, Level.STUDY, {})


@router.api_route("/series", methods=_SEARCHED)
@router.api_route("/series/", methods=_SEARCHED)
def series(request: Request, node: Node) -> Response:
    """Search for series."""
    return _search(request, node, Level.SERIES, {})


@router.api_route("/instances", methods=_SEARCHED)
@router.api_route("/instances/", methods=_SEARCHED)
def instances(request: Request, node: Node) -> Response:
    """Search for instances."""
    return _search(request, node, Level.INSTANCE, {})


@router.api_route("/studies/{study}/series", methods=_SEARCHED)
@router.api_route("/studies/{study}/series/", methods=_SEARCHED)
def series_of_study(study: str, request: Request, node: Node) -> Response:
    """Search for series of a study."""
    return _search(request, node, Level.SERIES, {_STUDY: study})


@router.api_route("/studies/{study}/instances", methods=_SEARCHED)
@router.api_route("/studies/{study}/instances/", methods=_SEARCHED)
def instances_of_study(study: str, request: Request, node: Node) -> Response:
    """Search for instances of a study."""
    return _search(request, node, Level.INSTANCE, {_STUDY: study})


@router.api_route("/studies/{study}/series/{series}/instances", methods=_SEARCHED)
@router.api_route("/studies/{study}/series/{series}/instances/", methods=_SEARCHED)
def instances_of_series(study: str, series: str, request: Request, node: Node) -> Response:
    """Search for instances of a series."""
    return _search(request, node, Level.INSTANCE, {_STUDY: study, _SERIES: series})


def _search(request: Request, node: Services, level: Level, within: Mapping[str, str]) -> Response:
    """Answer a search; keys are tags or keywords, with the parameters of PS3.18 8.3.4."""
    dicomjson.takes_xml(request)  # refused before anything is searched for
    asked = [(name.strip(), value.strip()) for name, value in request.query_params.multi_items()]
    keys = [MatchingKey(tag, uid) for tag, uid in within.items()]
    keys += [_key(k, v) for k, v in asked if k.lower() not in _OWN and v]
    fields = [_field(f) for k, v in asked if k.lower() == "includefield" for f in v.split(",") if f]
    limit = min(_count(asked, "limit", _MOST), _MOST)
    offset = _count(asked, "offset", 0)
    if any("*" in uid or "?" in uid or not uid for uid in within.values()):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "a path names a study or a series by its UID")
    headers = {"Warning": _LITERAL} if _is_fuzzy(asked) else {}
    page = _page(node, keys, level, slice(offset, offset + limit))
    entries = node.catalogue.described(page, fields, level, dicomjson.origin(request, node))
    return dicomjson.answer_many(request, [one.attributes for one in entries], headers)


def _page(
    node: Services, keys: Sequence[MatchingKey], level: Level, wanted: slice
) -> Sequence[str]:
    if wanted.start == wanted.stop:
        return ()
    if level is Level.STUDY:
        return _in_reading_order(node, node.catalogue.matching(keys))[wanted]
    return node.catalogue.matching(keys, level, wanted.stop)[wanted]


def _key(attribute: str, value: str) -> MatchingKey:
    tag = _tag(attribute)
    vr = _vr(tag)
    if vr in {"SQ", "OB", "OW", "OF", "OD", "OL", "OV"}:
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{attribute} is nothing to search by")
    if vr == "UI":
        _refuse_list(attribute, value)
    elif len(value) > _LONGEST or value.count("*") + value.count("?") > _MOST_WILDCARDS:
        detail = (
            f"a value has at most {_LONGEST} letters and {_MOST_WILDCARDS} wildcards; "
            f"that of {attribute} has more"
        )
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
    return MatchingKey(tag, value)


def _refuse_list(attribute: str, value: str) -> None:
    uids = re.split(r"[,\\]", value)
    if len(uids) > _MOST_UIDS or not all(
        _UID.fullmatch(uid.strip("*")) or uid == "*" for uid in uids
    ):
        detail = f"{attribute} is a list of at most {_MOST_UIDS} UIDs"
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail)


def _field(attribute: str) -> str:
    return "all" if attribute.lower() == "all" else _tag(attribute)


def _tag(attribute: str) -> str:
    """Return eight hex digits for a tag or a keyword."""
    if _TAG.fullmatch(attribute):
        return attribute.upper()
    tag = tag_for_keyword(attribute)
    if tag is not None:
        return f"{tag:08X}"
    if "." in attribute:
        detail = f"sequences are not searched here; {attribute[:64]} is part of one"
        raise ProblemError(HTTPStatus.BAD_REQUEST, detail)
    raise ProblemError(HTTPStatus.BAD_REQUEST, f"no attribute is called {attribute[:64]}")


def _vr(tag: str) -> str:
    try:
        return dictionary_VR(int(tag, 16))[:2]  # of pixels it says "OB or OW"
    except KeyError:
        return ""


def _count(asked: Iterable[tuple[str, str]], name: str, default: int) -> int:
    given = [value for key, value in asked if key.lower() == name]
    if not given:
        return default
    if not (given[0].isascii() and given[0].isdecimal() and len(given[0]) <= len("999999999")):
        raise ProblemError(HTTPStatus.BAD_REQUEST, f"{name} is a whole number from 0")
    return int(given[0])


def _is_fuzzy(asked: Iterable[tuple[str, str]]) -> bool:
    return any(k.lower() == "fuzzymatching" and v.lower() == "true" for k, v in asked)


def _in_reading_order(node: Services, found: Sequence[str]) -> list[str]:
    """Return UIDs in the worklist's order; what it does not know comes last."""
    items = order(node.ledger.queries.heads(), node.policy, node.clock())
    places = {item.study_instance_uid: place for place, item in enumerate(items)}
    return sorted(found, key=lambda uid: (places.get(uid, len(places)), uid))
