"""STOW-RS: good objects are stored beside bad ones, and both are told (PS3.18 10.5)."""

from http import HTTPStatus
from mmap import mmap
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from dicom_node import log
from dicom_node.api import dicomjson, uploads
from dicom_node.api.dicomjson import DICOM, MULTIPART, Attributes
from dicom_node.api.gateways import Through
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Node, Services
from dicom_node.api.uploads import Stretch, Verdict
from dicom_node.archive.gateway import Gateway
from dicom_node.intake.room import OUT_OF_RESOURCES

_LONGEST_COMMENT: Final = 64
"""Of Error Comment, LO (PS3.7 E.1)."""

router = APIRouter(prefix="/dicom-web", include_in_schema=False)


@router.post("/studies")
@router.post("/studies/")
async def store(request: Request, node: Node, through: Through) -> Response:
    """Store instances of any studies."""
    return await _store(request, node, through, "")


@router.post("/studies/{study}")
@router.post("/studies/{study}/")
async def store_in_study(study: str, request: Request, node: Node, through: Through) -> Response:
    """Store instances of one study."""
    return await _store(request, node, through, study)


async def _store(request: Request, node: Services, through: Gateway, study: str) -> Response:
    dicomjson.takes_xml(request)  # refused before anything is stored
    boundary = _boundary(request.headers.get("content-type", ""))
    async with uploads.taken_in(request, node) as file:
        with uploads.mapped(file) as data:
            verdicts = [
                await _put(node, through, data, where, study) for where in _objects(data, boundary)
            ]
    return _answer(request, node, study, verdicts)


def _objects(data: mmap, boundary: str | None) -> list[Stretch]:
    if boundary is None:
        return [Stretch(0, len(data))]
    found = [where for where, _ in uploads.parts(data, boundary)]
    if not found:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the body has no part")
    return found


async def _put(node: Services, through: Gateway, data: mmap, where: Stretch, study: str) -> Verdict:
    verdict = await uploads.judged(node, data, where, study)
    if not verdict.reason:
        verdict = await uploads.store(through, data, where, verdict)
    if verdict.reason:
        log.get().warning("stow.refused", code=f"{verdict.reason:04X}")
    return verdict


def _boundary(content_type: str) -> str | None:
    """Return what parts the body; None where it is one object. Raises ProblemError: 400, 415."""
    kind, parameters = dicomjson.media_type(content_type or "none/none")
    if kind == DICOM:
        return None
    wanted = dicomjson.media_type(parameters.get("type", DICOM))[0]
    if kind != MULTIPART or wanted != DICOM:
        detail = (
            f"instances are taken as {DICOM}, alone or as {MULTIPART}; not as metadata and bulk"
        )
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    if not parameters.get("boundary"):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "Content-Type names no boundary")
    return parameters["boundary"]


def _answer(request: Request, node: Services, study: str, verdicts: list[Verdict]) -> Response:
    base = f"{dicomjson.origin(request, node)}/dicom-web/studies"
    stored = [one for one in verdicts if not one.reason]
    failed = [one for one in verdicts if one.reason]
    told: dict[str, Any] = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    studies = {study} if study else {one.heading.study_instance_uid for one in stored}
    if len(studies) == 1:
        told["00081190"] = {"vr": "UR", "Value": [f"{base}/{studies.pop()}"]}
    if failed:
        told["00081198"] = {"vr": "SQ", "Value": [_failure(one) for one in failed]}
    if stored:
        told["00081199"] = {"vr": "SQ", "Value": [_reference(one, base) for one in stored]}
    status = HTTPStatus.OK if not failed else HTTPStatus.ACCEPTED
    if not stored:
        status = HTTPStatus.CONFLICT
        if all(one.reason == OUT_OF_RESOURCES for one in failed):
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, failed[0].sentence)
    return dicomjson.answer_one(request, told, status)


def _named(verdict: Verdict) -> dict[str, Any]:
    named = {
        "00081150": verdict.heading.sop_class_uid,
        "00081155": verdict.heading.sop_instance_uid,
    }
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in named.items() if uid}


def _reference(verdict: Verdict, base: str) -> Attributes:
    heading = verdict.heading
    place = (
        f"{base}/{heading.study_instance_uid}/series/{heading.series_instance_uid}"
        f"/instances/{heading.sop_instance_uid}"
    )
    return {**_named(verdict), "00081190": {"vr": "UR", "Value": [place]}}


def _failure(verdict: Verdict) -> Attributes:
    return {
        **_named(verdict),
        "00000902": {"vr": "LO", "Value": [verdict.sentence[:_LONGEST_COMMENT]]},
        "00081197": {"vr": "US", "Value": [verdict.reason]},
    }
