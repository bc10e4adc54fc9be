"""The answer to a wish that a study be read: which run stands for it."""

import uuid
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, true
from sqlalchemy.orm import Session

from dicom_node.domain import (
    ModelIdentity,
    Resend,
    RunRequest,
    RunState,
    RunTicket,
    Trigger,
    Urgency,
)
from dicom_node.ledger.audit import note
from dicom_node.ledger.results import report_of
from dicom_node.ledger.schema import RunRow, StudyRow
from dicom_node.ledger.steps import (
    Act,
    clean,
    lock_study,
    move,
    newest,
    put_ending,
    settle,
    ticket,
)


def answer(session: Session, request: RunRequest, now: datetime) -> RunTicket:
    """Return the standing run, a revived one, or a new one; see `ports.RunBook.request`."""
    study = lock_study(session, request.study_instance_uid)
    read_before = request.trigger.is_automatic and _was_read(session, study, request.resend)
    if queued := newest(session, study.study_instance_uid, RunState.QUEUED):
        _raise(queued, request)
        if queued.archive_digest != request.archive_digest:  # it need not wait for what has come
            queued.retry_at = queued.handed_over_at = queued.again_at = None
        _wish(queued, request)
        return ticket(queued, created=False)
    same = None if request.force else _same(session, request, images_alone=read_before)
    if read_before:
        same = _after_resending(session, same, request)
    lost = same is not None and same.run_id == request.lost_run
    if same is None or lost:
        forced = request.force or lost or (read_before and request.resend is Resend.ALWAYS)
        return ticket(_make(session, study, request, now, forced=forced), created=True)
    if _may_be_revived(session, same, request):
        _revive(session, study, same, request, now)
        return ticket(same, created=True)
    report = report_of(session, same) if _may_have_lost_its_report(same, request) else None
    return replace(ticket(same, created=False), report=report)


def _may_have_lost_its_report(run: RunRow, request: RunRequest) -> bool:
    """Tell whether the archive may have lost the report: its images were stored again since, as
    after a deletion. Where a person asks, it is looked for in any case: there must be an answer."""
    stored_anew = run.stored_digest != request.stored_digest
    suspect = stored_anew and request.resend is not Resend.NEVER
    return run.state is RunState.REPORTED and (suspect or not request.trigger.is_automatic)


def _after_resending(session: Session, same: RunRow | None, request: RunRequest) -> RunRow | None:
    """Return the run that answers where the archive speaks of a study that has been read."""
    if request.resend is Resend.NEVER:
        return same or newest(session, request.study_instance_uid)
    if request.resend is Resend.ALWAYS and same and same.stored_digest != request.stored_digest:
        return None
    return same


def number_after(session: Session, study_instance_uid: str) -> int:
    """Return the number of the study's next run."""
    query = select(func.max(RunRow.number)).where(RunRow.study_instance_uid == study_instance_uid)
    return (session.scalar(query) or 0) + 1


def _same(session: Session, request: RunRequest, *, images_alone: bool) -> RunRow | None:
    """Return the newest run on the same images, model and policy, where it is the study's word.

    On the same images alone where the archive speaks of a study that has been read: with a new
    model, a presentation state that comes for an old study must not have it read again.

    A superseded run stands for nothing any more, unless it was a duplicate: then the run that
    it repeated answers. Nor does one that another has followed, as a failure beside a standing
    report. A run or a request that does not know its model fits any.
    """
    query = select(RunRow).where(
        RunRow.study_instance_uid == request.study_instance_uid,
        RunRow.archive_digest == request.archive_digest,
    )
    if not images_alone:
        query = query.where(RunRow.policy_hash == request.policy_hash, _fits(request.model))
    run = session.scalar(query.order_by(RunRow.number.desc()).limit(1))
    if run is not None and run.duplicate_of is not None:
        run = session.get_one(RunRow, run.duplicate_of)
    return run if run is newest(session, request.study_instance_uid) else None


def _was_read(session: Session, study: StudyRow, resend: Resend) -> bool:
    """Tell whether a run of the study has come to an end, superseded since or not.

    Where each storing asks for a run, one that is being read counts too: what was stored since
    is not in it.
    """
    if resend is Resend.ALWAYS and newest(session, study.study_instance_uid, RunState.RUNNING):
        return True
    query = select(RunRow.run_id).where(
        RunRow.study_instance_uid == study.study_instance_uid, RunRow.finished_at.is_not(None)
    )
    return session.scalar(query.limit(1)) is not None


def _fits(model: ModelIdentity | None) -> ColumnElement[bool]:
    if model is None:
        return true()
    same = and_(
        RunRow.model_name == model.name,
        RunRow.model_version == model.version,
        RunRow.model_sha256 == model.weights_sha256,
    )
    return or_(RunRow.model_name.is_(None), same)


def _may_be_revived(session: Session, run: RunRow, request: RunRequest) -> bool:
    """Tell whether a failed run is tried again: a person asks, or its images were sent again."""
    stored_anew = run.stored_digest != request.stored_digest
    again = request.trigger.is_automatic and stored_anew and request.resend is not Resend.NEVER
    return (
        (request.trigger is Trigger.RETRY or again)
        and run.state is RunState.FAILED
        and newest(session, run.study_instance_uid) is run
    )


def _revive(
    session: Session, study: StudyRow, run: RunRow, request: RunRequest, now: datetime
) -> None:
    move(session, run, RunState.QUEUED, Act(now, request.actor, f"trigger {request.trigger}"))
    run.attempts, run.deaths, run.asked_at = 0, 0, now
    run.retry_at = run.handed_over_at = run.again_at = None
    run.urgency = request.urgency
    put_ending(run, None)
    _wish(run, request)
    note(session, Act(now, request.actor), "run.retry", run)
    settle(session, study)


def _make(
    session: Session, study: StudyRow, request: RunRequest, now: datetime, *, forced: bool
) -> RunRow:
    run = RunRow(
        run_id=uuid.uuid4().hex,
        study_instance_uid=study.study_instance_uid,
        number=number_after(session, study.study_instance_uid),
        state=RunState.RECEIVED,
        trigger=request.trigger,
        actor=clean(request.actor),
        forced=forced,
        attempts=0,
        deaths=0,
        fence=0,
        urgency=request.urgency,
        created_at=now,
        asked_at=now,
    )
    _wish(run, request)
    session.add(run)
    session.flush()
    move(session, run, RunState.QUEUED, Act(now, request.actor, f"trigger {request.trigger}"))
    note(session, Act(now, request.actor), "run.request", run)
    put_ending(study, None)
    settle(session, study)
    return run


def _raise(run: RunRow, request: RunRequest) -> None:
    """Let a QUEUED run be as forced and as urgent as the more pressing of its requests."""
    run.forced = run.forced or request.force
    if request.urgency.rank < run.urgency.rank:
        run.urgency, run.handed_over_at, run.again_at = request.urgency, None, None


def _wish(run: RunRow, request: RunRequest) -> None:
    """Let the run stand for this request."""
    run.kind = request.kind
    run.archive_digest, run.stored_digest = request.archive_digest, request.stored_digest
    run.policy_hash = request.policy_hash
    run.patient_id = clean(request.patient_id)
    run.model = request.model


def copy_of(session: Session, last: RunRow, now: datetime) -> RunRow:
    """Return run N+1 of the same study, RECEIVED, for a verdict that needs no worker."""
    run = RunRow(
        run_id=uuid.uuid4().hex,
        study_instance_uid=last.study_instance_uid,
        number=number_after(session, last.study_instance_uid),
        kind=last.kind,
        state=RunState.RECEIVED,
        trigger=Trigger.RECONCILE,
        actor="node",
        forced=False,
        archive_digest="",
        policy_hash=last.policy_hash,
        patient_id=last.patient_id,
        attempts=0,
        deaths=0,
        fence=0,
        urgency=Urgency.ROUTINE,
        created_at=now,
        asked_at=now,
    )
    session.add(run)
    session.flush()
    return run
