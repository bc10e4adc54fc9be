"""Runs whose messages the broker has lost."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from dicom_node.domain import RunState
from dicom_node.ledger.schema import RunRow

LOST_AFTER: Final = timedelta(seconds=20)
"""A message may be on its way this long: taken by a worker whose process still loads its models."""


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
