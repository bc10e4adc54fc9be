"""What a run found and wrote: the persisted result, its findings, its objects."""

from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dicom_node.domain import Claim, Finding, Images, ObjectRef, RunState, TriageResult
from dicom_node.ledger.schema import FindingRow, ObjectRow, ResultRow, RunRow, StudyRow
from dicom_node.ledger.steps import clean

REPORTS: Final = "1.2.840.10008.5.1.4.1.1.88."
"""Every SR storage class lies below this root (PS3.4 B.5)."""

_RESULT: TypeAdapter[TriageResult] = TypeAdapter(TriageResult)
_IMAGES: TypeAdapter[Images] = TypeAdapter(Images)


def put(session: Session, run: RunRow, result: TriageResult) -> None:
    """Keep a result as JSON text that reads back exactly, and its findings as rows."""
    session.merge(ResultRow(run_id=run.run_id, body=to_text(result)))
    session.execute(delete(FindingRow).where(FindingRow.run_id == run.run_id))
    session.add_all(_finding(run, i, finding) for i, finding in enumerate(result.findings))
    run.priority, run.priority_reason = result.priority, clean(result.priority_reason)
    put_images(run, result.images)


def put_images(row: StudyRow | RunRow, images: Images | None) -> None:
    """Keep what became of the images of a study: with its run, or with the study that has none."""
    row.images = None if images is None else _IMAGES.dump_json(images).decode()


def images_of(row: StudyRow | RunRow) -> Images | None:
    """Return what became of the images, None where an older version read them."""
    return None if row.images is None else _IMAGES.validate_json(row.images)


def get(session: Session, run_id: str) -> TriageResult | None:
    """Return a kept result."""
    row = session.get(ResultRow, run_id)
    return None if row is None else from_text(row.body)


def to_text(result: TriageResult) -> str:
    """Return a result as JSON text."""
    return _RESULT.dump_json(result).decode()


def from_text(text: str) -> TriageResult:
    """Return the result that `to_text` wrote."""
    return _RESULT.validate_json(text)


def put_objects(session: Session, run: RunRow, objects: Sequence[tuple[str, ObjectRef]]) -> None:
    """Keep which (writer name, object) pairs a run left in the archive."""
    session.execute(delete(ObjectRow).where(ObjectRow.run_id == run.run_id))
    session.add_all(_object(run, i, *pair) for i, pair in enumerate(objects))


def report_of(session: Session, run: RunRow) -> ObjectRef | None:
    """Return the report that a run left in the archive."""
    query = select(ObjectRow).where(
        ObjectRow.run_id == run.run_id, ObjectRow.sop_class_uid.startswith(REPORTS)
    )
    row = session.scalar(query.order_by(ObjectRow.position).limit(1))
    return None if row is None else object_ref(row)


def report_before(session: Session, run: RunRow) -> ObjectRef | None:
    """Return the newest report of the study's older runs."""
    query = (
        select(ObjectRow)
        .join(RunRow, RunRow.run_id == ObjectRow.run_id)
        .where(
            RunRow.study_instance_uid == run.study_instance_uid,
            RunRow.number < run.number,
            ObjectRow.sop_class_uid.startswith(REPORTS),
        )
        .order_by(RunRow.number.desc(), ObjectRow.position)
    )
    row = session.scalar(query.limit(1))
    return None if row is None else object_ref(row)


def objects_before(session: Session, run: RunRow) -> tuple[ObjectRef, ...]:
    """Return the objects of the newest older run that left any, in the order of writing."""
    older = (
        select(RunRow.run_id)
        .join(ObjectRow, RunRow.run_id == ObjectRow.run_id)
        .where(RunRow.study_instance_uid == run.study_instance_uid, RunRow.number < run.number)
        .order_by(RunRow.number.desc())
        .limit(1)
    )
    query = select(ObjectRow).where(ObjectRow.run_id == older.scalar_subquery())
    return tuple(object_ref(row) for row in session.scalars(query.order_by(ObjectRow.position)))


def is_spent(session: Session, claim: Claim, identity: str) -> bool:
    """Tell whether a SUPERSEDED run older than this one left objects under ``identity``."""
    query = (
        select(ObjectRow.run_id)
        .join(RunRow, RunRow.run_id == ObjectRow.run_id)
        .where(
            RunRow.study_instance_uid == claim.study_instance_uid,
            RunRow.number < claim.number,
            RunRow.identity == identity,
            RunRow.state == RunState.SUPERSEDED,
        )
    )
    return session.scalar(query.limit(1)) is not None


def drafts(session: Session, claim: Claim) -> tuple[TriageResult, ...]:
    """Return what runs up to this one kept without ending REPORTED, newest first."""
    query = (
        select(ResultRow.body)
        .join(RunRow, RunRow.run_id == ResultRow.run_id)
        .where(
            RunRow.study_instance_uid == claim.study_instance_uid,
            RunRow.number <= claim.number,
            RunRow.run_id.not_in(select(ObjectRow.run_id)),
        )
        .order_by(RunRow.number.desc())
    )
    return tuple(from_text(body) for body in session.scalars(query))


def object_ref(row: ObjectRow) -> ObjectRef:
    """Return the object that a row names."""
    return ObjectRef(row.sop_class_uid, row.sop_instance_uid, row.series_instance_uid)


def _finding(run: RunRow, position: int, finding: Finding) -> FindingRow:
    return FindingRow(
        run_id=run.run_id,
        position=position,
        label=finding.label,
        code_value=finding.code.value,
        code_scheme=finding.code.scheme,
        code_meaning=finding.code.meaning,
        probability=finding.probability,
        threshold=finding.threshold,
        presence=finding.presence,
    )


def _object(run: RunRow, position: int, writer: str, ref: ObjectRef) -> ObjectRow:
    return ObjectRow(
        run_id=run.run_id,
        position=position,
        writer=writer,
        sop_class_uid=ref.sop_class_uid,
        sop_instance_uid=ref.sop_instance_uid,
        series_instance_uid=ref.series_instance_uid,
    )
