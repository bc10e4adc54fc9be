"""What readers made of reports."""

from sqlalchemy import select

from dicom_node.domain import Assessment, AuditEntry
from dicom_node.ledger import audit
from dicom_node.ledger.database import Database
from dicom_node.ledger.schema import AssessmentRow
from dicom_node.ledger.steps import clean, lock_study


class AssessmentBook:
    """Verdicts; each is kept, the newest of a report counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, study_instance_uid: str, assessment: Assessment) -> None:
        """Keep one verdict, and audit it without its free text; raises LedgerError if unknown."""
        with self._database.write() as session:
            lock_study(session, study_instance_uid)
            session.add(
                AssessmentRow(
                    study_instance_uid=study_instance_uid,
                    report_sop_instance_uid=assessment.report_sop_instance_uid,
                    verdict=assessment.verdict,
                    finding=assessment.finding and clean(assessment.finding),
                    comment=clean(assessment.comment),
                    user=clean(assessment.user),
                    assessed_at=assessment.assessed_at,
                )
            )
            detail = f"{assessment.verdict} of {assessment.report_sop_instance_uid}"
            entry = AuditEntry(
                self._database.now(),
                assessment.user,
                "report.assess",
                study_instance_uid,
                None,
                detail,
            )
            audit.add(session, entry)

    def of(self, study_instance_uid: str) -> tuple[Assessment, ...]:
        """Return a study's verdicts, oldest first."""
        query = select(AssessmentRow).where(AssessmentRow.study_instance_uid == study_instance_uid)
        with self._database.read() as session:
            rows = session.scalars(query.order_by(AssessmentRow.assessment_id))
            return tuple(assessment(row) for row in rows)


def assessment(row: AssessmentRow) -> Assessment:
    """Return the verdict that a row holds."""
    return Assessment(
        verdict=row.verdict,
        finding=row.finding,
        comment=row.comment,
        user=row.shown_user,
        report_sop_instance_uid=row.report_sop_instance_uid,
        assessed_at=row.assessed_at,
    )
