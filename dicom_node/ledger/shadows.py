"""What models in the shadow said; implements `ports.ShadowBook`.

Rows of their own beside the runs: no writer here locks or changes a run.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, select, true
from sqlalchemy.orm import Session

from dicom_node.domain import (
    Assessment,
    ModelIdentity,
    Opinion,
    ReadingPair,
    RunState,
    ShadowReading,
    ShadowState,
    Statement,
    StudyKind,
)
from dicom_node.errors import RunNotFound
from dicom_node.ledger.assessments import assessment
from dicom_node.ledger.database import Database
from dicom_node.ledger.results import REPORTS
from dicom_node.ledger.schema import (
    AssessmentRow,
    FindingRow,
    ObjectRow,
    RunRow,
    ShadowFindingRow,
    ShadowRow,
)
from dicom_node.ledger.steps import clean, dialect


class ShadowBook:
    """The ledger's side of shadow readings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, run_id: str, model: ModelIdentity) -> None:
        """Write down that a shadow begins to read the run's images; raises LedgerError."""
        fresh = {
            "model_name": model.name,
            "model_version": model.version,
            "model_sha256": model.weights_sha256,
            "state": ShadowState.STARTED,
            "priority": None,
            "elapsed_ms": None,
            "error": "",
            "started_at": self._database.now(),
            "ended_at": None,
        }
        with self._database.write() as session:
            statement = dialect(session).insert(ShadowRow).values({"run_id": run_id, **fresh})
            session.execute(statement.on_conflict_do_update(index_elements=["run_id"], set_=fresh))

    def end(self, run_id: str, reading: ShadowReading) -> None:
        """Write down what became of it; raises RunNotFound where it was not started."""
        with self._database.write() as session:
            row = session.get(ShadowRow, run_id, with_for_update=True)
            if row is None:
                raise RunNotFound(f"the ledger knows no shadow reading of run {run_id}")
            row.model_name = reading.model.name
            row.model_version = reading.model.version
            row.model_sha256 = reading.model.weights_sha256
            row.state, row.priority = reading.state, reading.priority
            row.elapsed_ms, row.error = reading.elapsed_ms, clean(reading.error)
            row.ended_at = self._database.now()
            session.execute(delete(ShadowFindingRow).where(ShadowFindingRow.run_id == run_id))
            session.add_all(
                ShadowFindingRow(
                    run_id=run_id,
                    position=position,
                    label=one.label,
                    probability=one.probability,
                    threshold=one.threshold,
                    presence=one.presence,
                )
                for position, one in enumerate(reading.statements)
            )

    def pairs(self, kind: StudyKind | None = None) -> tuple[ReadingPair, ...]:
        """Return the REPORTED runs that a shadow looked at, oldest first.

        Of each study that is its newest report alone: an older one is SUPERSEDED.
        """
        wanted: ColumnElement[bool] = RunRow.state == RunState.REPORTED
        wanted &= true() if kind is None else RunRow.kind == kind
        query = select(RunRow, ShadowRow).join(ShadowRow, ShadowRow.run_id == RunRow.run_id)
        with self._database.read() as session:
            served = _statements(session, FindingRow, wanted)
            shadowed = _statements(session, ShadowFindingRow, wanted)
            assessed = _assessments(session, wanted)
            rows = session.execute(query.where(wanted).order_by(RunRow.finished_at, RunRow.run_id))
            return tuple(
                ReadingPair(
                    study_instance_uid=run.study_instance_uid,
                    run_id=run.run_id,
                    kind=run.kind,
                    served=Opinion(
                        run.model or ModelIdentity("", "", ""), served[run.run_id], run.priority
                    ),
                    shadow=_reading(shadow, shadowed[run.run_id]),
                    assessment=assessed.get(run.run_id),
                )
                for run, shadow in rows
            )


def _statements(
    session: Session,
    table: type[FindingRow] | type[ShadowFindingRow],
    wanted: ColumnElement[bool],
) -> defaultdict[str, tuple[Statement, ...]]:
    """Return each run's statements, in their order; () for a run that has none."""
    query = (
        select(table.run_id, table.label, table.probability, table.threshold, table.presence)
        .join(RunRow, RunRow.run_id == table.run_id)
        .join(ShadowRow, ShadowRow.run_id == RunRow.run_id)
        .where(wanted)
        .order_by(table.run_id, table.position)
    )
    found: defaultdict[str, tuple[Statement, ...]] = defaultdict(tuple)
    for run_id, label, probability, threshold, presence in session.execute(query):
        found[run_id] += (Statement(label, probability, threshold, presence),)
    return found


def _assessments(session: Session, wanted: ColumnElement[bool]) -> dict[str, Assessment]:
    """Return the newest verdict on each run's report."""
    query = (
        select(ObjectRow.run_id, AssessmentRow)
        .join(RunRow, RunRow.run_id == ObjectRow.run_id)
        .join(ShadowRow, ShadowRow.run_id == RunRow.run_id)
        .join(AssessmentRow, AssessmentRow.study_instance_uid == RunRow.study_instance_uid)
        .where(wanted, ObjectRow.sop_class_uid.startswith(REPORTS))
        .where(AssessmentRow.report_sop_instance_uid == ObjectRow.sop_instance_uid)
        .order_by(AssessmentRow.assessment_id)
    )
    return {run_id: assessment(row) for run_id, row in session.execute(query)}


def _reading(row: ShadowRow, statements: Sequence[Statement]) -> ShadowReading:
    return ShadowReading(
        model=ModelIdentity(row.model_name, row.model_version, row.model_sha256),
        state=row.state,
        statements=tuple(statements),
        priority=row.priority,
        elapsed_ms=row.elapsed_ms,
        error=row.error,
    )
