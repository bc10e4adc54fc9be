"""Studies that the archive holds no more: out of the list, with their history and audit kept."""

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicom_node.domain import AuditEntry, Failure, RunState, Stage
from dicom_node.ledger.audit import add, note_ending
from dicom_node.ledger.schema import RunRow, StudyRow
from dicom_node.ledger.steps import Act, move, note_change, put_ending, settle

_LISTED = (StudyRow.gone_at.is_(None), StudyRow.orthanc_id != "")
_ENDING = Failure(Stage.FETCH, "the study was deleted from the archive")


def present(session: Session) -> Mapping[str, str]:
    """Map the archive's id of each listed study to its UID."""
    query = select(StudyRow.orthanc_id, StudyRow.study_instance_uid)
    return {row[0]: row[1] for row in session.execute(query.where(*_LISTED))}


def present_count(session: Session) -> int:
    """Count what `present` maps."""
    return session.scalar(select(func.count()).select_from(StudyRow).where(*_LISTED)) or 0


def come_back(session: Session, study: StudyRow, act: Act) -> None:
    """List a study again; nothing where it is listed."""
    if study.gone_at is not None:
        study.gone_at = None
        _note(session, study, act, RunState.RECEIVED)


def depart(session: Session, study: StudyRow, act: Act) -> None:
    """Take a study off the list; what reads it, or waits to, ends FAILED."""
    study.gone_at, study.due_at = act.at, None
    open_runs = select(RunRow).where(
        RunRow.study_instance_uid == study.study_instance_uid,
        RunRow.state.in_((RunState.QUEUED, RunState.RUNNING)),
    )
    ended = session.scalars(open_runs.order_by(RunRow.number)).all()
    for run in ended:
        move(session, run, RunState.FAILED, act)
        put_ending(run, _ENDING)
        run.archive_digest = ""  # the same images, sent again, are read after all
    settle(session, study)
    _note(session, study, act, RunState.SUPERSEDED)
    for run in ended:
        note_ending(session, act, _ENDING, run)
    uid = study.study_instance_uid
    add(session, AuditEntry(act.at, act.actor, "study.deleted", uid, None, act.reason))


def _note(session: Session, study: StudyRow, act: Act, after: RunState) -> None:
    """Write down that a study left or came back, so that whoever watches the list sees it.

    Neither is an end: the history of the days counts no report for it.
    """
    before = RunState.SUPERSEDED if after is RunState.RECEIVED else study.state
    note_change(session, study.study_instance_uid, None, (before, after), act)
