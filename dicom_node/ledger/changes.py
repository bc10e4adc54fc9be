"""Which studies have changed: for whoever has seen the ledger before and wants to know no more.

The rows that are counted here are never removed, so that a count tells how much somebody has seen.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

from dicom_node.ledger.database import Database
from dicom_node.ledger.schema import AssessmentRow, StudyRow, TransitionRow

_ROWID: Final[ColumnElement[int]] = literal_column("rowid")
_LATE: Final = 16
"""PostgreSQL shows what was begun first, but committed last, in the midst of what was seen."""


_KINDS: Final = (
    (StudyRow.__table__.c, "received_at"),
    (TransitionRow.__table__.c, "transition_id"),
    (AssessmentRow.__table__.c, "assessment_id"),
)
"""The columns of each kind of row, and by which of them to tell later rows from earlier ones."""

_REVISION: Final = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})*")


@dataclass(frozen=True, slots=True)
class Census:
    """How many rows there were of each kind (``revision``), and of all kinds for each study."""

    revision: str
    rows: Mapping[str, int]

    def changed(self, later: "Census") -> frozenset[str]:
        """Return the studies that have come, gone or changed in between."""
        every = self.rows.keys() | later.rows.keys()
        return frozenset(uid for uid in every if self.rows.get(uid) != later.rows.get(uid))


class ChangeBook:
    """Tells what has changed on the worklist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def revision(self) -> str:
        """Return a word that changes with each arrival, change of state and assessment.

        A corrected name, or a model named in mid-run, changes no row count; it is seen with the
        next of those changes.
        """
        with self._database.read() as session:
            return _revision(session)

    def census(self) -> Census:
        """Count the rows of each study, on one snapshot."""
        rows: Counter[str] = Counter()
        with self._database.read() as session:
            for columns, _ in _KINDS:
                study = columns.study_instance_uid
                for uid, count in session.execute(select(study, func.count()).group_by(study)):
                    rows[uid] += count
            return Census(_revision(session), rows)

    def since(self, revision: str) -> frozenset[str] | None:
        """Return the studies that have changed since a revision, and perhaps a few more.

        None where that revision is none of this ledger's: anything may have changed.
        """
        with self._database.read() as session:
            present = _revision(session)
            if present == revision:
                return frozenset()
            seen, there = _counts(revision), _counts(present)
            if len(seen) != len(there) or any(a > b for a, b in zip(seen, there, strict=True)):
                return None
            return frozenset(_later(session, seen, there))


def _later(session: Session, seen: tuple[int, ...], there: tuple[int, ...]) -> Iterator[str]:
    """Yield the studies of the newest rows; SQLite's writers queue up, and its rows with them."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    for (columns, age), before, now in zip(_KINDS, seen, there, strict=True):
        if now > before:
            order = _ROWID if is_sqlite else columns[age]
            more = now - before + (0 if is_sqlite else _LATE)
            query = select(columns.study_instance_uid).order_by(order.desc())
            yield from session.scalars(query.limit(more))


def _revision(session: Session) -> str:
    counts = (
        select(func.count(columns.study_instance_uid)).scalar_subquery() for columns, _ in _KINDS
    )
    return "-".join(str(count) for count in session.execute(select(*counts)).one())


def _counts(revision: str) -> tuple[int, ...]:
    """Return the counts that a revision is made of; none where it is not one."""
    return tuple(map(int, revision.split("-"))) if _REVISION.fullmatch(revision) else ()
