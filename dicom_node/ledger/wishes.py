"""Which destination wants which objects, as the process that sends them has said.

Kept here so that a run plans its deliveries when it is reported, whichever host it was read on and
whatever that host's settings say.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dicom_node.ledger.schema import (
    CursorRow,
    DeliveryRow,
    DeliveryState,
    ObjectRow,
    RunRow,
    WishRow,
)

_NAMED: Final = "deliveries.wishes"
"""The cursor that is there once somebody has said which destinations there are, if only none."""


def put(session: Session, wishes: Mapping[str, Set[str]]) -> None:
    """Replace what is wanted: for each destination the writers of the objects that it gets."""
    session.execute(delete(WishRow))
    session.add_all(
        WishRow(destination=destination, writer=writer)
        for destination, writers in wishes.items()
        for writer in writers
    )
    session.merge(CursorRow(name=_NAMED, value=1))


def plan(session: Session, run: RunRow, now: datetime) -> int:
    """Plan what a run sends, once; return how many deliveries that are.

    Where nobody has named the destinations yet, the run is planned later.
    """
    if run.planned_at is not None or session.get(CursorRow, _NAMED) is None:
        return 0
    run.planned_at = now
    wishes = _wishes(session)
    planned = [
        pending(run, destination, found.sop_instance_uid, now)
        for found in _unsent(session, run)
        for destination in wishes[found.writer]
    ]
    session.add_all(planned)
    return len(planned)


def wanting(session: Session, writer: str) -> Sequence[str]:
    """Return the destinations that want what a writer makes."""
    return _wishes(session)[writer]


def _wishes(session: Session) -> defaultdict[str, list[str]]:
    """Return for each writer the destinations that want its objects."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in session.scalars(select(WishRow).order_by(WishRow.destination)):
        found[row.writer].append(row.destination)
    return found


def _unsent(session: Session, run: RunRow) -> Sequence[ObjectRow]:
    """Return the run's objects, without those that a worker of an older version has planned."""
    planned = select(DeliveryRow.sop_instance_uid).where(DeliveryRow.run_id == run.run_id)
    query = select(ObjectRow).where(
        ObjectRow.run_id == run.run_id, ObjectRow.sop_instance_uid.not_in(planned)
    )
    return session.scalars(query.order_by(ObjectRow.position)).all()


def pending(run: RunRow, destination: str, uid: str, now: datetime) -> DeliveryRow:
    """Return a delivery that is due at once."""
    return DeliveryRow(
        run_id=run.run_id,
        destination=destination,
        sop_instance_uid=uid,
        state=DeliveryState.PENDING,
        attempts=0,
        message="",
        due_at=now,
        planned_at=now,
    )
