"""The steps that every writer of the ledger takes: lock, move, settle."""

from dataclasses import dataclass
from datetime import datetime
from types import ModuleType

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from dicom_node.domain import Claim, Failure, Refusal, RunState, RunTicket, Stage
from dicom_node.errors import LeaseLost, LedgerError, RunNotFound
from dicom_node.ledger import machine
from dicom_node.ledger.schema import (
    DeliveryRow,
    DeliveryState,
    PostRow,
    RunRow,
    StageRow,
    StudyRow,
    TransitionRow,
)


@dataclass(frozen=True, slots=True)
class Act:
    """Who changed a state, when and why; ``reason`` names no patient."""

    at: datetime
    actor: str
    reason: str = ""


def clean(words: str) -> str:
    """Make any text fit for both databases: no NUL, no lone surrogates."""
    return words.replace("\0", "").encode("utf-8", "replace").decode()


def is_clean(words: str) -> bool:
    """Tell whether both databases can hold a text; one that they cannot names nothing there."""
    return clean(words) == words


def dialect(session: Session) -> ModuleType:
    """Return the module whose ``insert`` knows what to do where a row is there already."""
    return postgresql if session.get_bind().dialect.name == "postgresql" else sqlite


def lock_study(session: Session, study_instance_uid: str) -> StudyRow:
    """Return the study's row, held against all other writers; raise LedgerError if unknown."""
    query = select(StudyRow).where(StudyRow.study_instance_uid == study_instance_uid)
    row = session.scalar(query.with_for_update())
    if row is None:
        raise LedgerError(f"the ledger does not know study {study_instance_uid}")
    return row


def lock_run(session: Session, run_id: str) -> tuple[StudyRow, RunRow]:
    """Return the run and its study, held; raise RunNotFound."""
    uid = session.scalar(select(RunRow.study_instance_uid).where(RunRow.run_id == run_id))
    if uid is None:
        raise RunNotFound("the ledger knows no such run")
    study = lock_study(session, uid)
    return study, session.get_one(RunRow, run_id)


def lock_claim(session: Session, claim: Claim) -> tuple[StudyRow, RunRow]:
    """Return the claimed run and its study, held; raise LeaseLost for a stale claim."""
    study, run = lock_run(session, claim.run_id)
    if run.fence != claim.fence or run.state is not RunState.RUNNING:
        raise LeaseLost(f"run {claim.run_id} is no longer held with fence {claim.fence}")
    return study, run


def newest(session: Session, study_instance_uid: str, *states: RunState) -> RunRow | None:
    """Return the study's newest run in one of ``states``; without any, all but SUPERSEDED."""
    fits = RunRow.state.in_(states) if states else RunRow.state != RunState.SUPERSEDED
    query = select(RunRow).where(RunRow.study_instance_uid == study_instance_uid, fits)
    return session.scalar(query.order_by(RunRow.number.desc()).limit(1))


def move(session: Session, run: RunRow, after: RunState, act: Act) -> None:
    """Take a run to its next state, and write that down; withdraw what a superseded one sends."""
    machine.check(run.state, after)
    note_change(session, run.study_instance_uid, run.run_id, (run.state, after), act)
    run.state = after
    run.lease_until = None
    run.finished_at = (run.finished_at or act.at) if after.is_final else None
    if after is RunState.SUPERSEDED:
        _withdraw(session, run, act)
    session.flush()


def verdict(session: Session, study: StudyRow, ending: Refusal | Failure, act: Act) -> None:
    """End a study that has no run."""
    after = state_of(ending)
    machine.check_without_run(study.state, after)
    note_change(session, study.study_instance_uid, None, (study.state, after), act)
    study.state = after
    put_ending(study, ending)


def settle(session: Session, study: StudyRow) -> None:
    """Make the study's state that of its newest run."""
    session.flush()
    if run := newest(session, study.study_instance_uid):
        study.state = run.state


def supersede(session: Session, by: RunRow, at: datetime, *, above: int = 0) -> None:
    """Supersede the study's ended runs that are older than ``by``, numbers over ``above``."""
    query = select(RunRow).where(
        RunRow.study_instance_uid == by.study_instance_uid,
        RunRow.number > above,
        RunRow.number < by.number,
        RunRow.state.in_((RunState.REPORTED, RunState.REFUSED, RunState.FAILED)),
    )
    act = Act(at, "node", f"run {by.number} is newer")
    for run in session.scalars(query.order_by(RunRow.number)).all():
        move(session, run, RunState.SUPERSEDED, act)


def mark(session: Session, run: RunRow, stage: Stage, at: datetime) -> None:
    """Write down when a stage ended; a later attempt overwrites an earlier one."""
    session.merge(StageRow(run_id=run.run_id, stage=stage, at=at))


def put_ending(row: StudyRow | RunRow, ending: Refusal | Failure | None) -> None:
    """Fill the columns that say why something was refused or failed; None empties them."""
    row.refusal_code = row.refusal_reason = row.error_stage = row.error_message = None
    if isinstance(ending, Refusal):
        row.refusal_code, row.refusal_reason = ending.code, clean(ending.reason)
    elif isinstance(ending, Failure):
        row.error_stage, row.error_message = ending.stage, clean(ending.message)


def get_ending(row: StudyRow | RunRow) -> Refusal | Failure | None:
    """Return why something was refused or failed."""
    if row.refusal_code is not None:
        return Refusal(row.refusal_code, row.refusal_reason or "")
    if row.error_stage is not None:
        return Failure(row.error_stage, row.error_message or "")
    return None


def state_of(ending: Refusal | Failure) -> RunState:
    """Return the state that an ending leads to."""
    return RunState.REFUSED if isinstance(ending, Refusal) else RunState.FAILED


def reason_of(ending: Refusal | Failure) -> str:
    """Return one line for the record of transitions."""
    if isinstance(ending, Refusal):
        return f"{ending.code}: {ending.reason}"
    return f"{ending.stage}: {ending.message}"


def ticket(run: RunRow, *, created: bool) -> RunTicket:
    """Return the ticket of a run."""
    return RunTicket(
        run_id=run.run_id,
        study_instance_uid=run.study_instance_uid,
        number=run.number,
        state=run.state,
        created=created,
        urgency=run.urgency,
        asked_at=run.asked_at,
        fence=run.fence,
    )


def _withdraw(session: Session, run: RunRow, act: Act) -> None:
    """End deliveries that wait: nobody is sent what a newer run has taken back.

    What was posted is no report: it takes back an older one, and stays true.
    """
    waiting = (
        DeliveryRow.run_id == run.run_id,
        DeliveryRow.state == DeliveryState.PENDING,
        DeliveryRow.sop_instance_uid.not_in(select(PostRow.sop_instance_uid)),
    )
    ended = {
        "state": DeliveryState.WITHDRAWN,
        "message": clean(act.reason),
        "due_at": None,
        "ended_at": act.at,
    }
    session.execute(update(DeliveryRow).where(*waiting).values(ended))


def note_change(
    session: Session,
    study_instance_uid: str,
    run_id: str | None,
    states: tuple[RunState, RunState],
    act: Act,
) -> None:
    """Write a change of state down; ``run_id`` is None for a study's own."""
    before, after = states
    row = TransitionRow(study_instance_uid=study_instance_uid, run_id=run_id, at=act.at)
    row.from_state, row.to_state = before, after
    row.actor, row.reason = clean(act.actor), clean(act.reason)
    session.add(row)
