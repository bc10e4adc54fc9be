"""The worklist item of a study, joined from the ledger's rows."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from dicom_node.codes import Code
from dicom_node.domain import (
    Assessment,
    Failure,
    FindingItem,
    Presence,
    Refusal,
    RunState,
    WorklistItem,
)
from dicom_node.ledger.assessments import assessment
from dicom_node.ledger.results import REPORTS, images_of, object_ref
from dicom_node.ledger.schema import AssessmentRow, FindingRow, ObjectRow, RunRow, StudyRow
from dicom_node.ledger.steps import get_ending

_PRESENT = {Presence.PRESENT: True, Presence.ABSENT: False, Presence.UNDETERMINED: None}
_UNDER_WAY = frozenset({RunState.QUEUED, RunState.RUNNING})


@dataclass(frozen=True, slots=True)
class Shelf:
    """What many studies' items are made of, laid out so that each item finds its own.

    ``runs`` are those that are not SUPERSEDED, by number; ``findings`` and ``reports`` belong
    to the REPORTED ones, by run; ``assessments`` are the newest, by report.
    """

    runs: dict[str, list[RunRow]] = field(default_factory=lambda: defaultdict(list))
    findings: dict[str, list[FindingItem]] = field(default_factory=lambda: defaultdict(list))
    reports: dict[str, ObjectRow] = field(default_factory=dict)
    assessments: dict[str, AssessmentRow] = field(default_factory=dict)


def shelve(session: Session, wanted: ColumnElement[bool]) -> Shelf:
    """Fetch what the items of the ``wanted`` studies need, in one query for each table."""
    of_study = StudyRow.study_instance_uid == RunRow.study_instance_uid
    standing = RunRow.state != RunState.SUPERSEDED
    runs = select(RunRow).join(StudyRow, of_study).where(wanted, standing).order_by(RunRow.number)
    reports = (
        select(ObjectRow)
        .join(RunRow, RunRow.run_id == ObjectRow.run_id)
        .join(StudyRow, of_study)
        .where(wanted, RunRow.state == RunState.REPORTED)
        .where(ObjectRow.sop_class_uid.startswith(REPORTS))
    )
    assessments = (
        select(AssessmentRow)
        .join(StudyRow, StudyRow.study_instance_uid == AssessmentRow.study_instance_uid)
        .where(wanted)
        .order_by(AssessmentRow.assessment_id)
    )
    shelf = Shelf()
    for run in session.scalars(runs):
        shelf.runs[run.study_instance_uid].append(run)
    for run_id, finding in _findings(session, wanted):
        shelf.findings[run_id].append(finding)
    for report in session.scalars(reports):
        shelf.reports.setdefault(report.run_id, report)
    for row in session.scalars(assessments):
        shelf.assessments[row.report_sop_instance_uid] = row
    return shelf


def to_item(study: StudyRow, shelf: Shelf, now: datetime, viewer_url: str) -> WorklistItem:
    """Build the item of one study.

    While a newer run is QUEUED or RUNNING, the findings, priority and report of the REPORTED
    one before it stay in view, since a re-reading must not cost a study its place; the reason
    says so. A REFUSED or FAILED study shows none of them, so that it never looks normal.
    """
    runs = shelf.runs[study.study_instance_uid]
    ending = get_ending(runs[-1] if runs else study)
    source = _standing(runs)
    report = shelf.reports.get(source.run_id) if source else None
    return WorklistItem(
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        patient_id=study.patient_id,
        patient_name=study.patient_name,
        modality=study.modality,
        study_description=study.study_description,
        state=study.state,
        priority=source.priority if source else None,
        priority_reason=_reason(study, source),
        findings=tuple(shelf.findings[source.run_id]) if source else (),
        model=(source or runs[-1]).model if runs else None,
        refusal=ending if isinstance(ending, Refusal) else None,
        error=ending if isinstance(ending, Failure) else None,
        received_at=study.received_at,
        reported_at=source.finished_at if source else None,
        wait_s=_wait_s(study, source, now),
        assessment=_assessment(shelf, report),
        viewer_url=viewer_url,
        report=None if report is None else object_ref(report),
        images=images_of(source or (runs[-1] if runs else study)),
    )


def _standing(runs: Sequence[RunRow]) -> RunRow | None:
    """Return the run whose result is in view."""
    if not runs or runs[-1].state in {RunState.REFUSED, RunState.FAILED}:
        return None
    return next((run for run in reversed(runs) if run.state is RunState.REPORTED), None)


def _reason(study: StudyRow, source: RunRow | None) -> str | None:
    if source is None or study.state not in _UNDER_WAY:
        return None if source is None else source.priority_reason
    return f"{source.priority_reason} (earlier report; a new reading is under way)"


def _wait_s(study: StudyRow, source: RunRow | None, now: datetime) -> float:
    reported_at = source.finished_at if source and study.state is RunState.REPORTED else None
    return max(0.0, ((reported_at or now) - study.received_at).total_seconds())


def _assessment(shelf: Shelf, report: ObjectRow | None) -> Assessment | None:
    row = shelf.assessments.get(report.sop_instance_uid) if report else None
    return None if row is None else assessment(row)


def _findings(session: Session, wanted: ColumnElement[bool]) -> Iterator[tuple[str, FindingItem]]:
    """Yield each finding with its run: plain columns, since no table has more rows in view."""
    query = (
        select(
            FindingRow.run_id,
            FindingRow.label,
            FindingRow.code_value,
            FindingRow.code_scheme,
            FindingRow.code_meaning,
            FindingRow.probability,
            FindingRow.threshold,
            FindingRow.presence,
        )
        .join(RunRow, RunRow.run_id == FindingRow.run_id)
        .join(StudyRow, StudyRow.study_instance_uid == RunRow.study_instance_uid)
        .where(wanted, RunRow.state == RunState.REPORTED)
        .order_by(FindingRow.position)
    )
    for run_id, label, value, scheme, meaning, probability, threshold, presence in session.execute(
        query
    ):
        code = Code(value, scheme, meaning)
        yield run_id, FindingItem(label, code, probability, threshold, _PRESENT[presence])
