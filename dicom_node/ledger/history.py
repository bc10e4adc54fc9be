"""What happened day by day, counted by the database.

The days are given by their bounds, so that they begin at the reader's midnight, and a row finds
its day by comparing times: SQLite and PostgreSQL agree on that, not on functions of dates.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from dicom_node.domain import RunState
from dicom_node.ledger.schema import AssessmentRow, RunRow, StudyRow, TransitionRow

_ENDS: Final = (RunState.REPORTED, RunState.REFUSED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """One day from ``start``.

    ``arrivals`` are studies; ``reported``, ``refused`` and ``failed`` readings that ended so,
    a second reading of a study included. The turnaround (from received, a later run: from asked
    for, to reported) is that of the reports of the day, None without any. ``verdicts`` counts
    the newest verdict of each report.
    """

    start: datetime
    arrivals: int
    reported: int
    refused: int
    failed: int
    turnaround_median_s: float | None
    turnaround_p95_s: float | None
    verdicts: Mapping[str, int]


def tell(session: Session, bounds: Sequence[datetime]) -> tuple[HistoryDay, ...]:
    """Count what happened in each span between two neighbouring ``bounds``."""
    arrivals = _per_day(session, bounds, StudyRow.received_at)
    ends = _ends(session, bounds)
    medians, p95s = _turnaround(session, bounds)
    verdicts = _verdicts(session, bounds)
    return tuple(
        HistoryDay(
            start=start,
            arrivals=arrivals.get(day, 0),
            reported=ends.get((day, RunState.REPORTED), 0),
            refused=ends.get((day, RunState.REFUSED), 0),
            failed=ends.get((day, RunState.FAILED), 0),
            turnaround_median_s=medians.get(day),
            turnaround_p95_s=p95s.get(day),
            verdicts=verdicts[day],
        )
        for day, start in enumerate(bounds[:-1])
    )


def _day(at: InstrumentedAttribute[Any], bounds: Sequence[datetime]) -> ColumnElement[int]:
    """Return the number of the day that a time lies in."""
    return case(*((at < end, day) for day, (_, end) in enumerate(pairwise(bounds))))


def _within(at: InstrumentedAttribute[Any], bounds: Sequence[datetime]) -> ColumnElement[bool]:
    return and_(at >= bounds[0], at < bounds[-1])


def _per_day(
    session: Session, bounds: Sequence[datetime], at: InstrumentedAttribute[Any]
) -> dict[int, int]:
    days = select(_day(at, bounds).label("day")).where(_within(at, bounds)).subquery()
    query = select(days.c.day, func.count()).group_by(days.c.day)
    return {row[0]: row[1] for row in session.execute(query)}


def _ends(session: Session, bounds: Sequence[datetime]) -> dict[tuple[int, RunState], int]:
    """Count ended readings; a run that is current again (from SUPERSEDED) did not end anew."""
    at = TransitionRow.at
    ended = (
        select(_day(at, bounds).label("day"), TransitionRow.to_state)
        .where(_within(at, bounds), TransitionRow.to_state.in_(_ENDS))
        .where(TransitionRow.from_state != RunState.SUPERSEDED)
        .subquery()
    )
    query = select(ended.c.day, ended.c.to_state, func.count()).group_by(
        ended.c.day, ended.c.to_state
    )
    return {(day, state): count for day, state, count in session.execute(query)}


def _turnaround(
    session: Session, bounds: Sequence[datetime]
) -> tuple[dict[int, float], dict[int, float]]:
    """Return the median and the 95th percentile (nearest rank) of each day."""
    at = RunRow.finished_at
    reports = (
        select(_day(at, bounds).label("day"), RunRow.turnaround_s.label("s"))
        .where(_within(at, bounds), RunRow.turnaround_s.is_not(None))
        .subquery()
    )
    ranked = select(
        reports.c.day,
        reports.c.s,
        func.row_number().over(partition_by=reports.c.day, order_by=reports.c.s).label("rank"),
        func.count().over(partition_by=reports.c.day).label("n"),
    ).subquery()

    def at_rank(percent: int) -> Select[Any]:
        rank = (ranked.c.n * percent + 99) // 100
        return select(ranked.c.day, ranked.c.s).where(ranked.c.rank == rank)

    return _pairs(session, at_rank(50)), _pairs(session, at_rank(95))


def _pairs(session: Session, query: Select[Any]) -> dict[int, float]:
    return {row[0]: row[1] for row in session.execute(query)}


def _verdicts(session: Session, bounds: Sequence[datetime]) -> dict[int, dict[str, int]]:
    at = AssessmentRow.assessed_at
    newest = select(func.max(AssessmentRow.assessment_id)).group_by(
        AssessmentRow.report_sop_instance_uid
    )
    judged = (
        select(_day(at, bounds).label("day"), AssessmentRow.verdict)
        .where(_within(at, bounds), AssessmentRow.assessment_id.in_(newest))
        .subquery()
    )
    query = select(judged.c.day, judged.c.verdict, func.count()).group_by(
        judged.c.day, judged.c.verdict
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for day, verdict, count in session.execute(query):
        found[day][verdict] = count
    return found
