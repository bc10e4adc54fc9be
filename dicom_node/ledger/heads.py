"""The heads of all studies: what filters and the reading order look at, and nothing more.

Plain columns instead of mapped rows: a worklist of thousands is ordered by them, and only the
studies that are shown are then read in full.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicom_node.domain import Priority, RunState, WorklistHead
from dicom_node.ledger.results import REPORTS
from dicom_node.ledger.schema import AssessmentRow, ObjectRow, RunRow, StudyRow

_WITHOUT_RESULT = frozenset({RunState.REFUSED, RunState.FAILED})


def heads(session: Session) -> tuple[WorklistHead, ...]:
    """Return the head of every study, in no order; `items.to_item` says the same of each."""
    standing = _standing(session)
    assessed = _assessed(session)
    rows = session.execute(
        select(
            StudyRow.study_instance_uid,
            StudyRow.accession_number,
            StudyRow.patient_id,
            StudyRow.patient_name,
            StudyRow.modality,
            StudyRow.study_description,
            StudyRow.state,
            StudyRow.received_at,
        ).where(StudyRow.gone_at.is_(None))
    )
    found = []
    for uid, accession, patient_id, name, modality, description, state, received_at in rows:
        run_id, priority = ("", None) if state in _WITHOUT_RESULT else standing.get(uid, ("", None))
        found.append(
            WorklistHead(
                study_instance_uid=uid,
                accession_number=accession,
                patient_id=patient_id,
                patient_name=name,
                modality=modality,
                study_description=description,
                state=state,
                priority=priority,
                received_at=received_at,
                is_assessed=run_id in assessed,
            )
        )
    return tuple(found)


def _standing(session: Session) -> dict[str, tuple[str, Priority | None]]:
    """Map each study to its newest REPORTED run and that run's priority."""
    query = (
        select(RunRow.study_instance_uid, RunRow.run_id, RunRow.priority)
        .where(RunRow.state == RunState.REPORTED)
        .order_by(RunRow.number)
    )
    return {uid: (run_id, priority) for uid, run_id, priority in session.execute(query)}


def _assessed(session: Session) -> frozenset[str]:
    """Return the runs whose report a reader has judged."""
    query = (
        select(ObjectRow.run_id)
        .join(RunRow, RunRow.run_id == ObjectRow.run_id)
        .join(
            AssessmentRow,
            (AssessmentRow.study_instance_uid == RunRow.study_instance_uid)
            & (AssessmentRow.report_sop_instance_uid == ObjectRow.sop_instance_uid),
        )
        .where(RunRow.state == RunState.REPORTED, ObjectRow.sop_class_uid.startswith(REPORTS))
    )
    return frozenset(session.scalars(query))
