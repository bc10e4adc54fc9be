"""DELETE of a study, a series or an instance by DICOMweb's paths."""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import httpx
from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from dicom_node import log
from dicom_node.api.gateways import Through
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Node, Services, User
from dicom_node.archive.gateway import Gateway
from dicom_node.errors import ArchiveFault, ArchiveUnavailable

_LONGEST_UID: Final = 128
_FOLDERS: Final = {"Study": "studies", "Series": "series", "Instance": "instances"}

router = APIRouter(prefix="/dicom-web/studies", include_in_schema=False)


@router.delete("/{study}")
@router.delete("/{study}/")
async def delete_study(study: str, node: Node, user: User, through: Through) -> Response:
    """Delete a study, of every patient that carries its UID; its row leaves the list."""
    held = await _held(through, "Study", study, study)
    # The list first: what reads the study ends before it could store a report on it.
    was_listed = await run_in_threadpool(node.ledger.studies.depart, study, user, "deleted")
    if not held and not was_listed:
        raise _unknown("study")
    try:
        await _delete(through, "Study", held)
    except ArchiveUnavailable:
        await run_in_threadpool(node.ledger.studies.come_back, study)
        raise
    if not was_listed:
        await run_in_threadpool(_note, node, user, study, "study.deleted", "")
    log.get().info("study.deleted", study_uid=study)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete("/{study}/series/{series}")
@router.delete("/{study}/series/{series}/")
async def delete_series(
    study: str, series: str, node: Node, user: User, through: Through
) -> Response:
    """Delete a series; the study is looked at again, or leaves with its last one."""
    await _delete_part(node, through, user, (study, "Series", series))
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete("/{study}/series/{series}/instances/{instance}")
@router.delete("/{study}/series/{series}/instances/{instance}/")
async def delete_instance(
    study: str, series: str, instance: str, node: Node, user: User, through: Through
) -> Response:
    """Delete an instance; the study is looked at again, or leaves with its last one."""
    if not await _held(through, "Series", series, study):
        raise _unknown("series")
    await _delete_part(node, through, user, (study, "Instance", instance))
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _delete_part(
    node: Services, through: Gateway, user: str, wanted: tuple[str, str, str]
) -> None:
    study, level, uid = wanted
    held = await _held(through, level, uid, study)
    if not held:
        raise _unknown(level.lower())
    told = f"{level.lower()} {uid}"
    await run_in_threadpool(_note, node, user, study, "study.part_deleted", told)
    await _delete(through, level, held)
    if await _held(through, "Study", study, study):
        await run_in_threadpool(_look_again, node, study)
    else:
        await run_in_threadpool(node.ledger.studies.depart, study, user, "deleted")


def _note(node: Services, user: str, study: str, action: str, detail: str) -> None:
    node.ledger.audit.append(user, action, study_instance_uid=study, detail=detail)


def _look_again(node: Services, study: str) -> None:
    """Let the next sweep look at what is left."""
    if node.ledger.queries.detail(study) is not None:
        node.ledger.studies.wait(study, datetime.now(UTC))


async def _held(through: Gateway, level: str, uid: str, study: str) -> list[str]:
    """Return Orthanc's ids of what has this UID and is, or lies in, the study."""
    if len(uid) > _LONGEST_UID:
        return []
    async with through.ask("POST", "/tools/lookup", content=uid.encode()) as answer:
        hits = await _told(answer)
    ids = [hit["ID"] for hit in hits if hit["Type"] == level]
    if level == "Study":
        return ids
    return [one for one in ids if await _study_of(through, level, one) == study]


async def _study_of(through: Gateway, level: str, orthanc_id: str) -> str:
    async with through.ask("GET", f"/{_FOLDERS[level]}/{orthanc_id}/study") as answer:
        if answer.status_code == HTTPStatus.NOT_FOUND:  # deleted a moment ago
            return ""
        told = await _told(answer)
    return str(told["MainDicomTags"]["StudyInstanceUID"])


async def _told(answer: httpx.Response) -> Any:  # noqa: ANN401  # Orthanc's JSON
    if answer.is_error:
        raise ArchiveFault(f"Orthanc answered {answer.status_code} to a look-up")
    return json.loads(await answer.aread())


async def _delete(through: Gateway, level: str, orthanc_ids: list[str]) -> None:
    for one in orthanc_ids:
        async with through.ask("DELETE", f"/{_FOLDERS[level]}/{one}") as answer:
            if answer.is_error and answer.status_code != HTTPStatus.NOT_FOUND:
                raise ArchiveFault(f"Orthanc answered {answer.status_code} to a DELETE")


def _unknown(what: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, f"the archive holds no such {what}")
