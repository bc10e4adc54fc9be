"""Routes about one study: its item, its runs, its assessments."""

import re
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from fastapi.responses import JSONResponse

from dicom_node import jsonform
from dicom_node.api import looks
from dicom_node.api.answers import Judgement, RunAnswer, RunWish, StudyAnswer
from dicom_node.api.doorkeeper import REFRESH
from dicom_node.api.problems import ProblemError, document
from dicom_node.api.services import Node, Services, StudyUid, User
from dicom_node.domain import Assessment, RunState, RunTicket, StudyDetail, Trigger
from dicom_node.errors import QueueUnavailable, StudyRefused

_UID_LIKE = re.compile(r"[0-9.]{1,64}")
_LIVE = frozenset({RunState.QUEUED, RunState.RUNNING})


router = APIRouter(prefix="/ai", tags=["studies"], responses=document(HTTPStatus.NOT_FOUND))


@router.get("/studies/{study_instance_uid}", response_model=StudyAnswer)
def show(
    study_instance_uid: StudyUid,
    node: Node,
    user: User,
    refresh: Annotated[
        str, Header(alias=REFRESH, description="1: a page asks by itself, and its user did not")
    ] = "",
) -> JSONResponse:
    """Show a study with its runs, reports, heatmaps, deliveries and timings.

    Who has seen it goes into the audit trail, once for each quarter of an hour.
    """
    detail = _detail(node, study_instance_uid)
    looks.at_study(node, user, study_instance_uid, refreshed=refresh == "1")
    return _answer(jsonform.detail(detail))


@router.post(
    "/studies/{study_instance_uid}/runs",
    response_model=RunAnswer,
    status_code=HTTPStatus.ACCEPTED,
    responses={
        HTTPStatus.OK.value: {"model": RunAnswer, "description": "It has been read; nothing to do"},
        **document(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    },
)
def ask(
    study_instance_uid: StudyUid,
    node: Node,
    user: User,
    wish: Annotated[RunWish | None, Body()] = None,
) -> JSONResponse:
    """Ask for a reading now.

    202: a run was made, or a failed one is tried again. 200: the study has been read, or refused,
    as it stands. 409: a run is queued or running; it is in the problem's member ``run``.
    503: the queue is down; the run stands, and is handed over by itself.
    """
    try:
        ticket = node.admission.admit(
            study_instance_uid,
            trigger=Trigger.VIEWER,
            actor=user,
            force=wish is not None and wish.force,
        )
        if ticket.state is RunState.FAILED and not ticket.created:
            ticket = node.admission.admit(study_instance_uid, trigger=Trigger.RETRY, actor=user)
    except StudyRefused:
        return _run_answer(node, study_instance_uid, None, HTTPStatus.OK)
    except QueueUnavailable as exc:
        raise _later(node, study_instance_uid) from exc
    return _outcome(node, ticket)


@router.post(
    "/runs/{run_id}/retry",
    response_model=RunAnswer,
    status_code=HTTPStatus.ACCEPTED,
    responses=document(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
)
def retry(run_id: str, node: Node, user: User) -> JSONResponse:
    """Try a FAILED run again, with all its attempts; 409 in any other state."""
    run = node.ledger.queries.run(run_id)
    if run.state is not RunState.FAILED:
        detail = f"the run is {run.state}; only a FAILED one can be tried again"
        raise ProblemError(HTTPStatus.CONFLICT, detail, run=_summary(node, run))
    uid = run.study_instance_uid
    try:
        ticket = node.admission.admit(uid, trigger=Trigger.RETRY, actor=user)
    except StudyRefused:
        return _run_answer(node, uid, None, HTTPStatus.OK)
    except QueueUnavailable as exc:
        raise _later(node, uid) from exc
    return _outcome(node, ticket)


@router.post(
    "/studies/{study_instance_uid}/assessments",
    response_model=Assessment,
    status_code=HTTPStatus.CREATED,
    responses=document(HTTPStatus.CONFLICT),
)
def assess(
    study_instance_uid: StudyUid, judgement: Judgement, node: Node, user: User
) -> JSONResponse:
    """Keep a verdict on the present report; 409 where there is none, or it has no such finding."""
    item = _detail(node, study_instance_uid).item
    if item.report is None:
        raise ProblemError(HTTPStatus.CONFLICT, "the study has no report to assess")
    labels = [finding.label for finding in item.findings]
    if judgement.finding is not None and judgement.finding not in labels:
        detail = f"the report has no such finding; it has {', '.join(labels)}"
        raise ProblemError(HTTPStatus.CONFLICT, detail)
    assessment = Assessment(
        verdict=judgement.verdict,
        finding=judgement.finding,
        comment=judgement.comment,
        user=user,
        report_sop_instance_uid=item.report.sop_instance_uid,
        assessed_at=node.clock(),
    )
    node.ledger.assessments.add(study_instance_uid, assessment)
    body = jsonform.detail(_detail(node, study_instance_uid))["assessment"]
    return _answer(body, HTTPStatus.CREATED)


def _detail(node: Services, study_instance_uid: str) -> StudyDetail:
    detail = node.ledger.queries.detail(study_instance_uid)
    if detail is None:
        # What is no UID may be a name that somebody typed: no error page repeats it.
        named = study_instance_uid if _UID_LIKE.fullmatch(study_instance_uid) else "of this name"
        raise ProblemError(HTTPStatus.NOT_FOUND, f"the node does not know study {named}")
    return detail


def _summary(node: Services, ticket: RunTicket) -> dict[str, Any]:
    detail = jsonform.detail(_detail(node, ticket.study_instance_uid))
    found: dict[str, Any] = next(r for r in detail["runs"] if r["run_id"] == ticket.run_id)
    return found


def _outcome(node: Services, ticket: RunTicket) -> JSONResponse:
    if ticket.state in _LIVE and not ticket.created:
        detail = f"run {ticket.number} of this study is {ticket.state} already"
        raise ProblemError(HTTPStatus.CONFLICT, detail, run=_summary(node, ticket))
    status = HTTPStatus.ACCEPTED if ticket.created else HTTPStatus.OK
    return _run_answer(node, ticket.study_instance_uid, ticket, status)


def _run_answer(
    node: Services, study_instance_uid: str, ticket: RunTicket | None, status: HTTPStatus
) -> JSONResponse:
    item = jsonform.item(_detail(node, study_instance_uid).item)
    run = None if ticket is None else _summary(node, ticket)
    response = _answer({"run": run, "item": item}, status)
    response.headers["Location"] = f"/ai/studies/{study_instance_uid}"
    return response


def _later(node: Services, study_instance_uid: str) -> ProblemError:
    runs = jsonform.detail(_detail(node, study_instance_uid))["runs"]
    detail = "the queue is down; the run is kept and will be retried by itself"
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail, run=runs[0] if runs else None)


def _answer(body: object, status: HTTPStatus = HTTPStatus.OK) -> JSONResponse:
    return JSONResponse(body, status, {"Cache-Control": "no-store"})
