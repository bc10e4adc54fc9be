"""The users of the site's provider: by what stands for each for good, with his present name."""

from sqlalchemy import select

from dicom_node.domain import AuditEntry, Identity, SiteUser
from dicom_node.ledger import audit
from dicom_node.ledger.database import Database
from dicom_node.ledger.people import SiteUserRow


class SiteUserBook:
    """Users by subject; a name may be another's tomorrow, and two may have the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def welcome(self, identity: Identity, issuer: str, sub: str, detail: str) -> None:
        """Note that a user has logged in, and how; the audit trail tells a change of name."""
        now = self._database.now()
        with self._database.write() as session:
            row = session.get(SiteUserRow, identity.subject, with_for_update=True)
            if row is None:
                row = SiteUserRow(subject=identity.subject, issuer=issuer, sub=sub)
                session.add(row)
            elif row.name != identity.name:
                detail = f"{detail}, formerly called {row.name}"
            row.name, row.role, row.seen_at = identity.name, identity.role, now
            session.flush()
            audit.add(session, AuditEntry(now, identity.actor, "login", None, None, detail))

    def all(self) -> tuple[SiteUser, ...]:
        """Return every user of the provider who has ever logged in, by name."""
        query = select(SiteUserRow).order_by(SiteUserRow.name, SiteUserRow.subject)
        with self._database.read() as session:
            return tuple(
                SiteUser(row.subject, row.issuer, row.sub, row.name, row.role, row.seen_at)
                for row in session.scalars(query)
            )
