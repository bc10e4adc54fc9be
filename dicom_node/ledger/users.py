"""The users of the node."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dicom_node.domain import AuditEntry, Role, UserAccount, checked_name
from dicom_node.errors import AccessError
from dicom_node.ledger import audit
from dicom_node.ledger.database import Database
from dicom_node.ledger.people import SessionRow, UserRow
from dicom_node.ledger.steps import is_clean


class UserBook:
    """Users by name, in lower case; any change of one ends his sessions.

    ``by`` is who makes the change: it goes into the audit with the change, or neither happens.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def any(self) -> bool:
        """Tell whether there is a user at all, disabled ones included."""
        with self._database.read() as session:
            return session.scalar(select(UserRow.name).limit(1)) is not None

    def all(self) -> tuple[UserAccount, ...]:
        """Return every user by name."""
        with self._database.read() as session:
            return tuple(_user(row) for row in session.scalars(select(UserRow).order_by("name")))

    def get(self, name: str) -> UserAccount | None:
        """Return one user, or None."""
        if not is_clean(name):
            return None
        with self._database.read() as session:
            row = session.get(UserRow, name.lower())
            return None if row is None else _user(row)

    def add(self, name: str, role: Role, password_hash: str, by: str = "") -> UserAccount:
        """Add a user; raise AccessError where the name is taken, or is none."""
        name = checked_name(name)
        now = self._database.now()
        with self._database.write() as session:
            if session.get(UserRow, name) is not None:
                raise AccessError(f"there is a user {name} already; see dicom-node users list")
            row = UserRow(name=name, role=role, password_hash=password_hash, disabled=False)
            row.created_at = row.changed_at = now
            session.add(row)
            _end_sessions(session, name)  # of a namesake whose subject was not kept yet
            self._note(session, by, "user.add", f"{name} as {role}")
            return _user(row)

    def remove(self, name: str, by: str = "") -> None:
        """Remove a user; raise AccessError where there is none."""

        def change(session: Session, row: UserRow) -> None:
            session.delete(row)

        self._change(name, _Done(by, "user.remove"), change)

    def set_password(self, name: str, password_hash: str, by: str = "") -> None:
        """Give a user another password; raise AccessError where there is none."""

        def change(_: Session, row: UserRow) -> None:
            row.password_hash = password_hash

        self._change(name, _Done(by, "user.passwd"), change)

    def set_role(self, name: str, role: Role, by: str = "") -> None:
        """Give a user another role; raise AccessError where there is none."""

        def change(_: Session, row: UserRow) -> None:
            row.role = role

        self._change(name, _Done(by, "user.role", f" as {role}"), change)

    def set_disabled(self, name: str, disabled: bool, by: str = "") -> None:
        """Turn a user away, or let him in again; raise AccessError where there is none."""

        def change(_: Session, row: UserRow) -> None:
            row.disabled = disabled

        self._change(name, _Done(by, "user.disable" if disabled else "user.enable"), change)

    def _change(self, name: str, done: "_Done", change: Callable[[Session, UserRow], None]) -> None:
        with self._database.write() as session:
            row = session.get(UserRow, name.lower(), with_for_update=True)
            if row is None:
                raise AccessError(f"there is no user {name}; see dicom-node users list")
            row.changed_at = self._database.now()
            change(session, row)
            _end_sessions(session, row.name)
            self._note(session, done.by, done.action, f"{name.lower()}{done.how}")

    def _note(self, session: Session, by: str, action: str, detail: str) -> None:
        if by:
            now = self._database.now()
            audit.add(session, AuditEntry(now, by, action, None, None, detail))


@dataclass(frozen=True, slots=True)
class _Done:
    by: str
    action: str
    how: str = ""


def _end_sessions(session: Session, name: str) -> None:
    """End the sessions of a user of the node, but not those of his namesakes at the provider."""
    his = delete(SessionRow).where(SessionRow.name == name, SessionRow.subject.is_(None))
    session.execute(his)


def _user(row: UserRow) -> UserAccount:
    return UserAccount(
        row.name, row.role, row.password_hash, row.disabled, row.created_at, row.changed_at
    )
