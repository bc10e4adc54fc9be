"""Figures for the monitor, counted by the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicom_node.domain import RunState
from dicom_node.ledger.schema import DeliveryRow, RunRow, StudyRow

BUCKETS_S: Final = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Counts:
    """Figures for the monitor.

    ``turnaround`` maps an upper bound in seconds to how many reports took at most that long,
    from received (a later run: from asked for) to reported. ``oldest_queued_s`` is the age of
    the oldest QUEUED run, 0 where there is none.
    """

    studies: Mapping[RunState, int]
    runs: Mapping[RunState, int]
    deliveries: Mapping[str, int]
    oldest_queued_s: float
    turnaround: Mapping[float, int]
    turnaround_count: int
    turnaround_sum_s: float


def count(session: Session, now: datetime) -> Counts:
    """Count studies, runs and deliveries by state, and the time that reports took."""
    oldest = session.scalar(
        select(func.min(RunRow.created_at)).where(RunRow.state == RunState.QUEUED)
    )
    reported = select(func.count(RunRow.turnaround_s))
    return Counts(
        studies=_studies(session),
        runs=_runs(session),
        deliveries=_deliveries(session),
        oldest_queued_s=(now - oldest).total_seconds() if oldest else 0.0,
        turnaround={
            bound: session.scalar(reported.where(RunRow.turnaround_s <= bound)) or 0
            for bound in BUCKETS_S
        },
        turnaround_count=session.scalar(reported) or 0,
        turnaround_sum_s=session.scalar(select(func.sum(RunRow.turnaround_s))) or 0.0,
    )


def _studies(session: Session) -> dict[RunState, int]:
    query = select(StudyRow.state, func.count()).where(StudyRow.gone_at.is_(None))
    return {row[0]: row[1] for row in session.execute(query.group_by(StudyRow.state))}


def _runs(session: Session) -> dict[RunState, int]:
    query = select(RunRow.state, func.count()).group_by(RunRow.state)
    return {row[0]: row[1] for row in session.execute(query)}


def _deliveries(session: Session) -> dict[str, int]:
    query = select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)
    return {row[0]: row[1] for row in session.execute(query)}
