"""Who is logged in. A stolen copy of the ledger lets nobody in: it holds hashes of the tokens."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, or_

from dicom_node.domain import Identity, Role
from dicom_node.ledger.database import Database
from dicom_node.ledger.people import SessionRow, UserRow

_TOUCH: Final = timedelta(seconds=30)
"""A session is written to at most so often, whatever its user does."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lasts: without use, and at most."""

    idle: timedelta
    longest: timedelta


class SessionBook:
    """Sessions by the hash of their token."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self, name: str, lifetime: Lifetime, role: Role | None = None, subject: str = ""
    ) -> str:
        """Begin a session and return its token.

        ``role`` and ``subject`` are for users of the site's provider alone.

        Throws away what has run out.
        """
        token = secrets.token_urlsafe(32)
        now = self._database.now()
        row = SessionRow(token_hash=_hash(token), name=name, role=role, subject=subject or None)
        row.created_at = row.seen_at = now
        over = or_(
            SessionRow.seen_at < now - lifetime.idle,
            SessionRow.created_at < now - lifetime.longest,
        )
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(over))
            session.add(row)
        return token

    def identity(
        self, token: str, lifetime: Lifetime, *, used: bool, vouched: bool
    ) -> Identity | None:
        """Return whose session it is, in his present role, or None where it has ended.

        ``used`` keeps the session from running out. Without ``vouched``, where the site has no
        provider any more, the sessions of its users are nobody's.
        """
        now = self._database.now()
        with self._database.read() as session:
            row = session.get(SessionRow, _hash(token))
            if row is None:
                return None
            if now - row.seen_at > lifetime.idle or now - row.created_at > lifetime.longest:
                return None
            user = session.get(UserRow, row.name)
            name, seen_at, role, subject = row.name, row.seen_at, row.role, row.subject or ""
            if role is not None and not vouched:
                return None
            if role is None:
                role = None if user is None or user.disabled else user.role
        if role is None:
            return None
        if used and now - seen_at > _TOUCH:
            self._touch(token)
        return Identity(name, role, subject)

    def end(self, token: str) -> None:
        """End a session; harmless where it has ended."""
        with self._database.write() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == _hash(token)))

    def end_all(self, name: str | None = None) -> int:
        """End every session of a user, or of everybody; return how many there were.

        Of all who have that name, or of the one with that subject.
        """
        query = delete(SessionRow).returning(SessionRow.token_hash)
        if name is not None:
            query = query.where(or_(SessionRow.name == name.lower(), SessionRow.subject == name))
        with self._database.write() as session:
            return len(session.scalars(query).all())

    def _touch(self, token: str) -> None:
        with self._database.write() as session:
            row = session.get(SessionRow, _hash(token))
            if row is not None:
                row.seen_at = self._database.now()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
