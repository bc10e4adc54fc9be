"""Result objects on their way to other places; implements `ports.DeliveryBook`."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from dicom_node.domain import AuditEntry, DueDelivery
from dicom_node.errors import LedgerError
from dicom_node.ledger import audit
from dicom_node.ledger.database import Database
from dicom_node.ledger.schema import DeliveryRow, DeliveryState, RunRow
from dicom_node.ledger.steps import clean, lock_run

_OVER = (DeliveryState.DELIVERED, DeliveryState.WITHDRAWN)


class DeliveryBook:
    """The ledger's side of deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, run_id: str, destination: str, sop_instance_uid: str, file: str) -> None:
        """Plan one delivery; planning it twice is harmless. Raises RunNotFound."""
        now = self._database.now()
        with self._database.write() as session:
            lock_run(session, run_id)
            query = select(DeliveryRow).where(
                DeliveryRow.run_id == run_id,
                DeliveryRow.destination == destination,
                DeliveryRow.sop_instance_uid == sop_instance_uid,
            )
            if session.scalar(query) is not None:
                return
            session.add(
                DeliveryRow(
                    run_id=run_id,
                    destination=destination,
                    sop_instance_uid=sop_instance_uid,
                    file=file,
                    state=DeliveryState.PENDING,
                    attempts=0,
                    message="",
                    due_at=now,
                    planned_at=now,
                )
            )

    def due(self, now: datetime) -> Sequence[DueDelivery]:
        """Return deliveries whose time has come, longest due first."""
        query = (
            select(DeliveryRow, RunRow.study_instance_uid)
            .join(RunRow, RunRow.run_id == DeliveryRow.run_id)
            .where(DeliveryRow.due_at <= now)
            .order_by(DeliveryRow.due_at, DeliveryRow.delivery_id)
        )
        with self._database.read() as session:
            return tuple(
                DueDelivery(
                    delivery_id=row.delivery_id,
                    run_id=row.run_id,
                    study_instance_uid=uid,
                    destination=row.destination,
                    sop_instance_uid=row.sop_instance_uid,
                    file=row.file,
                    attempts=row.attempts,
                )
                for row, uid in session.execute(query)
            )

    def delivered(self, delivery_id: int) -> bool:
        """End a delivery DELIVERED; True where no other destination of the file waits for it."""
        self._attempted(delivery_id, DeliveryState.DELIVERED, "", None)
        mine, other = aliased(DeliveryRow), aliased(DeliveryRow)
        wanting = (
            select(other.delivery_id)
            .join(mine, mine.file == other.file)
            .where(mine.delivery_id == delivery_id, other.state.not_in(_OVER))
        )
        with self._database.read() as session:
            return session.scalar(wanting.limit(1)) is None

    def postponed(self, delivery_id: int, message: str, retry_at: datetime | None) -> None:
        """Try again at ``retry_at``; None ends it FAILED. One that was withdrawn stays so."""
        state = DeliveryState.FAILED if retry_at is None else DeliveryState.PENDING
        self._attempted(delivery_id, state, message, retry_at)

    def _attempted(
        self, delivery_id: int, state: DeliveryState, message: str, due_at: datetime | None
    ) -> None:
        with self._database.write() as session:
            row = session.get(DeliveryRow, delivery_id, with_for_update=True)
            if row is None:
                raise LedgerError(f"the ledger knows no delivery {delivery_id}")
            if row.state in _OVER and state is not DeliveryState.DELIVERED:
                return
            row.attempts += 1
            row.state, row.message, row.due_at = state, clean(message), due_at
            row.ended_at = self._database.now() if due_at is None else None
            if state is DeliveryState.DELIVERED:
                self._note(session, row)

    def _note(self, session: Session, row: DeliveryRow) -> None:
        """Audit that an object left the node."""
        run = session.get_one(RunRow, row.run_id)
        detail = f"{row.sop_instance_uid} to {row.destination}"
        entry = AuditEntry(
            self._database.now(),
            "node",
            "report.deliver",
            run.study_instance_uid,
            row.run_id,
            detail,
        )
        audit.add(session, entry)
