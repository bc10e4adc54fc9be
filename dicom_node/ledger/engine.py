"""Open the ledger."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from dicom_node.ledger.assessments import AssessmentBook
from dicom_node.ledger.audit import AuditBook
from dicom_node.ledger.changes import ChangeBook
from dicom_node.ledger.database import Database, connect, utc_now
from dicom_node.ledger.deliveries import DeliveryBook
from dicom_node.ledger.migration import migrate
from dicom_node.ledger.queries import Queries
from dicom_node.ledger.runs import RunBook
from dicom_node.ledger.sessions import SessionBook
from dicom_node.ledger.shadows import ShadowBook
from dicom_node.ledger.site_users import SiteUserBook
from dicom_node.ledger.studies import StudyBook
from dicom_node.ledger.users import UserBook
from dicom_node.ledger.workers import WorkerBook


def _no_viewer(study_instance_uid: str) -> str:
    del study_instance_uid
    return ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger's books, on one database."""

    runs: RunBook
    studies: StudyBook
    deliveries: DeliveryBook
    shadows: ShadowBook
    workers: WorkerBook
    queries: Queries
    changes: ChangeBook
    assessments: AssessmentBook
    audit: AuditBook
    users: UserBook
    site_users: SiteUserBook
    sessions: SessionBook
    database: Database

    def ping(self) -> None:
        """Raise LedgerUnavailable where the database does not answer."""
        with self.database.read() as session:
            session.execute(text("SELECT 1 FROM studies LIMIT 1"))

    def close(self) -> None:
        """Close all connections."""
        self.database.close()


def open_ledger(
    url: str,
    viewer_url: Callable[[str], str] = _no_viewer,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> Ledger:
    """Bring the tables at ``url`` up to date and return the ledger.

    ``viewer_url`` maps a Study Instance UID to the link in the worklist. Open it after a fork,
    not before. Raises LedgerUnavailable or LedgerError.
    """
    migrate(url)
    database = connect(url, clock)
    return Ledger(
        runs=RunBook(database),
        studies=StudyBook(database),
        deliveries=DeliveryBook(database),
        shadows=ShadowBook(database),
        workers=WorkerBook(database),
        queries=Queries(database, viewer_url),
        changes=ChangeBook(database),
        assessments=AssessmentBook(database),
        audit=AuditBook(database),
        users=UserBook(database),
        site_users=SiteUserBook(database),
        sessions=SessionBook(database),
        database=database,
    )
