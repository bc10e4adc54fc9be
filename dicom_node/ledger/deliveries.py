"""Result objects on their way to other places; implements `ports.DeliveryBook`."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicom_node.domain import AuditEntry, Claim, DueDelivery, RevivedDelivery, RunState
from dicom_node.errors import LedgerError
from dicom_node.ledger import audit, posts
from dicom_node.ledger import wishes as known
from dicom_node.ledger.database import Database
from dicom_node.ledger.schema import DeliveryRow, DeliveryState, RunRow
from dicom_node.ledger.steps import clean, lock_claim, lock_run


class DeliveryBook:
    """The ledger's side of deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def want(self, wishes: Mapping[str, Set[str]]) -> None:
        """Say which destinations there are, each with the writers whose objects it gets."""
        with self._database.write() as session:
            known.put(session, wishes)

    def are_wanted(self, writer: str) -> bool:
        """Tell whether any destination wants what this writer makes."""
        with self._database.read() as session:
            return bool(known.wanting(session, writer))

    def post(self, claim: Claim, writer: str, sop_instance_uid: str, content: bytes) -> int:
        """Plan what the archive does not hold; return how many deliveries that are.

        Posting it twice is harmless. Raises LeaseLost.
        """
        with self._database.write() as session:
            _, run = lock_claim(session, claim)
            post = sop_instance_uid, content
            return posts.plan(session, run, writer, post, self._database.now())

    def posted(self, sop_instance_uid: str) -> bytes | None:
        """Return what was posted, None where the archive has it."""
        with self._database.read() as session:
            return posts.content_of(session, sop_instance_uid)

    def plan_late(self) -> int:
        """Plan what was reported before anybody had named the destinations; return how many."""
        query = select(RunRow.run_id).where(
            RunRow.state == RunState.REPORTED, RunRow.planned_at.is_(None)
        )
        with self._database.read() as session:
            late = session.scalars(query.order_by(RunRow.finished_at, RunRow.run_id)).all()
        return sum(self._plan(run_id) for run_id in late)

    def due(self, now: datetime) -> Sequence[DueDelivery]:
        """Return deliveries whose time has come, longest due first."""
        query = (
            select(DeliveryRow, RunRow.study_instance_uid)
            .join(RunRow, RunRow.run_id == DeliveryRow.run_id)
            .where(DeliveryRow.due_at <= now, DeliveryRow.state == DeliveryState.PENDING)
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
                    attempts=row.attempts,
                )
                for row, uid in session.execute(query)
            )

    def delivered(self, delivery_id: int) -> None:
        """End a delivery DELIVERED."""
        self._attempted(delivery_id, DeliveryState.DELIVERED, "", None)

    def postponed(self, delivery_id: int, message: str, retry_at: datetime | None) -> None:
        """Try again at ``retry_at``; None ends it FAILED. One that was withdrawn stays so."""
        state = DeliveryState.FAILED if retry_at is None else DeliveryState.PENDING
        self._attempted(delivery_id, state, message, retry_at)

    def put_off(self, delivery_id: int, retry_at: datetime) -> None:
        """Try again at ``retry_at``; what came in the way says nothing of the destination."""
        with self._database.write() as session:
            row = _locked(session, delivery_id)
            if row.state == DeliveryState.PENDING:
                row.due_at = retry_at

    def _plan(self, run_id: str) -> int:
        with self._database.write() as session:
            _, run = lock_run(session, run_id)
            standing = run.state is RunState.REPORTED
            return known.plan(session, run, self._database.now()) if standing else 0

    def revive_failed(self, actor: str) -> Sequence[RevivedDelivery]:
        """Plan every delivery of a standing report that failed anew, with all of its attempts.

        One whose report was superseded stays FAILED: nobody is sent what was taken back. What
        takes back is sent in any case.
        """
        failed = select(DeliveryRow.run_id).where(DeliveryRow.state == DeliveryState.FAILED)
        with self._database.read() as session:
            runs = session.scalars(failed.distinct().order_by(DeliveryRow.run_id)).all()
        return tuple(one for run_id in runs for one in self._revive(run_id, actor))

    def _revive(self, run_id: str, actor: str) -> Sequence[RevivedDelivery]:
        query = select(DeliveryRow).where(
            DeliveryRow.run_id == run_id, DeliveryRow.state == DeliveryState.FAILED
        )
        revived = []
        with self._database.write() as session:
            _, run = lock_run(session, run_id)
            standing = run.state is RunState.REPORTED
            failed = session.scalars(query if standing else query.where(posts.are_of(DeliveryRow)))
            for row in failed.all():
                row.state, row.attempts, row.message = DeliveryState.PENDING, 0, ""
                row.due_at, row.ended_at = self._database.now(), None
                uid = self._note(session, row, actor, "report.redeliver")
                revived.append(RevivedDelivery(uid, row.destination, row.sop_instance_uid))
        return tuple(revived)

    def _attempted(
        self, delivery_id: int, state: DeliveryState, message: str, due_at: datetime | None
    ) -> None:
        with self._database.write() as session:
            row = _locked(session, delivery_id)
            withdrawn = row.state == DeliveryState.WITHDRAWN
            if row.state == DeliveryState.DELIVERED or (
                withdrawn and state is not DeliveryState.DELIVERED
            ):
                return
            row.attempts += 1
            row.state, row.message, row.due_at = state, clean(message), due_at
            row.ended_at = self._database.now() if due_at is None else None
            if state is DeliveryState.DELIVERED:
                posts.forget(session, row.sop_instance_uid)
                self._note(session, row, "node", "report.deliver")

    def _note(self, session: Session, row: DeliveryRow, actor: str, action: str) -> str:
        """Audit what became of a delivery; return its study's UID."""
        uid = session.get_one(RunRow, row.run_id).study_instance_uid
        detail = f"{row.sop_instance_uid} to {row.destination}"
        audit.add(session, AuditEntry(self._database.now(), actor, action, uid, row.run_id, detail))
        return uid


def _locked(session: Session, delivery_id: int) -> DeliveryRow:
    row = session.get(DeliveryRow, delivery_id, with_for_update=True)
    if row is None:
        raise LedgerError(f"the ledger knows no delivery {delivery_id}")
    return row
