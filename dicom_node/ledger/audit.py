"""Who did what: rows that are only ever added; the database refuses to change them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicom_node.ledger.database import Database
from dicom_node.ledger.schema import AuditRow, RunRow
from dicom_node.ledger.steps import Act, clean


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act of a person or of the node; ``detail`` names no patient."""

    at: datetime
    actor: str
    action: str
    study_instance_uid: str | None
    run_id: str | None
    detail: str


class AuditBook:
    """The audit trail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        actor: str,
        action: str,
        *,
        study_instance_uid: str | None = None,
        run_id: str | None = None,
        detail: str = "",
    ) -> None:
        """Add one row, at the present time."""
        with self._database.write() as session:
            entry = AuditEntry(
                self._database.now(), actor, action, study_instance_uid, run_id, detail
            )
            session.add(_row(entry))

    def entries(
        self, study_instance_uid: str | None = None, limit: int = 1000
    ) -> tuple[AuditEntry, ...]:
        """Return the newest rows, newest first, of one study or of all."""
        query = select(AuditRow).order_by(AuditRow.audit_id.desc()).limit(limit)
        if study_instance_uid is not None:
            query = query.where(AuditRow.study_instance_uid == study_instance_uid)
        with self._database.read() as session:
            return tuple(
                AuditEntry(r.at, r.actor, r.action, r.study_instance_uid, r.run_id, r.detail)
                for r in session.scalars(query)
            )


def note(session: Session, act: Act, action: str, run: RunRow) -> None:
    """Add a row about a run within a transaction that does something else as well."""
    detail = f"run {run.number}" + (", forced" if run.forced else "")
    entry = AuditEntry(act.at, act.actor, action, run.study_instance_uid, run.run_id, detail)
    session.add(_row(entry))


def _row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        at=entry.at,
        actor=clean(entry.actor),
        action=entry.action,
        study_instance_uid=entry.study_instance_uid,
        run_id=entry.run_id,
        detail=clean(entry.detail),
    )
