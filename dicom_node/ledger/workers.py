"""What each worker says of itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select

from dicom_node.domain import WorkerSign
from dicom_node.ledger.database import Database
from dicom_node.ledger.schema import WorkerRow
from dicom_node.ledger.steps import clean, dialect

FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""A worker that has been silent this long is gone for good, as one whose host was taken away."""


class WorkerBook:
    """The ledger's side of workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sign_of_life(self, sign: WorkerSign, gone: Sequence[str] = ()) -> None:
        """Write down what a worker says; forget those that are ``gone`` or long silent."""
        said = {
            "ready": sign.ready,
            "message": clean(sign.message),
            "device": sign.device,
            "seen_at": sign.seen_at,
        }
        with self._database.write() as session:
            silent = WorkerRow.seen_at < sign.seen_at - FORGOTTEN_AFTER
            session.execute(delete(WorkerRow).where(WorkerRow.name.in_(gone) | silent))
            statement = dialect(session).insert(WorkerRow).values({"name": sign.name, **said})
            statement = statement.on_conflict_do_update(index_elements=["name"], set_=said)
            session.execute(statement)

    def forget(self, name: str) -> None:
        """Forget a worker that has ended in good order."""
        with self._database.write() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.name == name))

    def known(self, now: datetime) -> tuple[WorkerSign, ...]:
        """Return the workers that are not long silent, by name."""
        query = select(WorkerRow).where(WorkerRow.seen_at >= now - FORGOTTEN_AFTER)
        with self._database.read() as session:
            return tuple(
                WorkerSign(row.name, row.ready, row.message, row.device, row.seen_at)
                for row in session.scalars(query.order_by(WorkerRow.name))
            )
