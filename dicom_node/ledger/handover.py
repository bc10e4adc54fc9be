"""Which runs the broker should be given, and which of its messages are lost."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from dicom_node.domain import RunState, RunTicket, Stage
from dicom_node.ledger.schema import RunRow
from dicom_node.ledger.steps import lock_run, mark, newest, ticket

HAND_OVER_AGAIN: Final = timedelta(minutes=2)
"""A run that the broker has had this long without a claim is handed over once more: the broker
may have lost it, and a second message is harmless. The pauses double, lest a long queue fills up
with second messages."""

LOST_AFTER: Final = timedelta(seconds=20)
"""A message may be on its way this long: taken by a worker whose process still loads its models."""


def due(session: Session, now: datetime) -> tuple[RunTicket, ...]:
    """Return runs that the broker should be given, oldest first; see `RunBook.due`."""
    other = aliased(RunRow)
    blocked = exists().where(
        other.study_instance_uid == RunRow.study_instance_uid, other.state == RunState.RUNNING
    )
    ripe = and_(
        RunRow.state == RunState.QUEUED,
        or_(RunRow.retry_at.is_(None), RunRow.retry_at <= now),
        ~blocked,
    )
    lost = and_(RunRow.state == RunState.RUNNING, RunRow.lease_until <= now)
    idle = or_(
        RunRow.handed_over_at.is_(None),
        RunRow.again_at <= now,
        and_(RunRow.state == RunState.RUNNING, RunRow.handed_over_at <= RunRow.lease_until),
    )
    query = select(RunRow).where(or_(ripe, lost), idle).order_by(RunRow.asked_at)
    return tuple(ticket(run, created=False) for run in session.scalars(query))


def note(session: Session, given: RunTicket, rises_at: datetime | None, now: datetime) -> None:
    """Write down that the broker has the run; see `RunBook.handed_over`."""
    _, run = lock_run(session, given.run_id)
    if _is_overtaken(session, run, given):
        return
    run.handed_over_at = now
    again_at = now + max(HAND_OVER_AGAIN, now - run.asked_at)
    run.again_at = again_at if rises_at is None else min(again_at, rises_at)
    if run.attempts == 0:
        mark(session, run, Stage.DISPATCH, now)


def _is_overtaken(session: Session, run: RunRow, given: RunTicket) -> bool:
    """Tell whether the message is no longer the one that the run waits for.

    Workers are quicker than the second write: the run may have been claimed and be waiting for
    a retry, or its message may have met a sibling that is being read. It may have been raised.
    """
    if (run.fence, run.state, run.urgency) != (given.fence, given.state, given.urgency):
        return True
    other = newest(session, run.study_instance_uid, RunState.RUNNING)
    return other is not None and other is not run


def recall(session: Session, held: int, now: datetime) -> int:
    """Forget hand-overs that the broker has lost; return how many.

    ``held`` is how many messages of runs lie in the broker untaken. Where more runs than that
    wait for a worker, messages are missing, and nobody knows which: the runs that have waited
    for `LOST_AFTER` are recalled, and those handed over before the clock was set back.
    """
    queued = and_(
        RunRow.state == RunState.QUEUED, or_(RunRow.retry_at.is_(None), RunRow.retry_at <= now)
    )
    silent = and_(RunRow.state == RunState.RUNNING, RunRow.lease_until <= RunRow.handed_over_at)
    query = select(RunRow).where(or_(queued, silent), RunRow.handed_over_at.is_not(None))
    runs = session.scalars(query.with_for_update(skip_locked=True)).all()
    if len(runs) <= held:
        return 0
    old = [run for run in runs if not now - LOST_AFTER < (run.handed_over_at or now) <= now]
    for run in old:
        run.handed_over_at = None
    return len(old)
