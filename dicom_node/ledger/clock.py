"""Times that lie ahead, after the machine's clock was set back."""

from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from dicom_node.ledger.schema import DeliveryRow, RunRow, SteppedOverRow, StudyRow

_AHEAD: Final[tuple[InstrumentedAttribute[object], ...]] = (
    StudyRow.due_at,
    SteppedOverRow.due_at,
    RunRow.retry_at,
    RunRow.again_at,
    RunRow.lease_until,
    DeliveryRow.due_at,
)


def bring_nearer(session: Session, by: timedelta) -> None:
    """Move every time that something waits for, so that it keeps its distance from now."""
    for column in _AHEAD:
        for row in session.scalars(select(column.class_).where(column.is_not(None))):
            setattr(row, column.key, getattr(row, column.key) - by)
