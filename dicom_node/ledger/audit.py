"""Who did what: rows that are only ever added, chained by hashes, one writer after another.

The database refuses to change them, and the chain tells where somebody got around that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from dicom_node.domain import (
    AuditEntry,
    AuditFault,
    AuditVerdict,
    Failure,
    Refusal,
    is_subject,
)
from dicom_node.errors import LedgerError
from dicom_node.ledger import chain
from dicom_node.ledger.audit_rows import AuditHeadRow, AuditRow
from dicom_node.ledger.database import Database
from dicom_node.ledger.people import SiteUserRow
from dicom_node.ledger.schema import RunRow
from dicom_node.ledger.steps import Act, clean

_HEAD: Final = 1
_PAGE: Final = 1000
_BEFORE_ALL: Final = -(1 << 31)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; what is None is not asked for.

    ``who`` is an actor, or a name that some had at the provider: it finds all of them.
    """

    study_instance_uid: str | None = None
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None


class AuditBook:
    """The audit trail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        actor: str,
        action: str,
        *,
        study_instance_uid: str | None = None,
        run_id: str | None = None,
        detail: str = "",
    ) -> None:
        """Add one entry, at the present time."""
        with self._database.write() as session:
            now = self._database.now()
            add(session, AuditEntry(now, actor, action, study_instance_uid, run_id, detail))

    def append_at_most(
        self, actor: str, action: str, study_instance_uid: str | None, every: timedelta
    ) -> bool:
        """Add an entry unless the same was added within ``every``; tell whether it was.

        A page that asks every few seconds is one person looking at one study. An entry from
        further ahead, written before the clock was set back, does not stand for what happens now;
        one from a moment ahead is another process's.
        """
        now = self._database.now()
        wanted = AuditFilter(study_instance_uid, clean(actor), action, now - every, now + every)
        query = _query(wanted).limit(1)
        with self._database.read() as session:
            if session.scalar(query) is not None:
                return False
        with self._database.write() as session:
            _locked_head(session)  # who would add the same at this moment waits here, and finds it
            if session.scalar(query) is not None:
                return False
            add(session, AuditEntry(now, actor, action, study_instance_uid, None, ""))
        return True

    def append_if_changed(self, actor: str, action: str, detail: str) -> bool:
        """Add an entry unless the newest one of this action says the same."""
        with self._database.read() as session:
            last = session.scalar(_query(AuditFilter(action=action)).limit(1))
        if last is not None and last.detail == clean(detail):
            return False
        self.append(actor, action, detail=detail)
        return True

    def entries(
        self, study_instance_uid: str | None = None, limit: int = 1000
    ) -> tuple[AuditEntry, ...]:
        """Return the newest entries, newest first, of one study or of all."""
        return self.find(AuditFilter(study_instance_uid), limit)

    def find(self, wanted: AuditFilter, limit: int | None = None) -> tuple[AuditEntry, ...]:
        """Return the newest entries that fit, newest first."""
        with self._database.read() as session:
            return tuple(map(_entry, session.scalars(_query(wanted).limit(limit))))

    def after(self, audit_id: int, limit: int) -> Sequence[AuditEntry]:
        """Return the entries that follow one, oldest first."""
        query = select(AuditRow).where(AuditRow.audit_id > audit_id).order_by(AuditRow.audit_id)
        with self._database.read() as session:
            return tuple(map(_entry, session.scalars(query.limit(limit))))

    def head(self) -> tuple[int, str]:
        """Return place and hash of the newest entry; the hash stands for the whole trail."""
        with self._database.read() as session:
            row = _head(session)
            return row.audit_id, row.hash

    def verify(self, known: tuple[int, str] | None = None) -> AuditVerdict:
        """Examine the whole trail; ``known`` is a head that was noted elsewhere."""
        with self._database.read() as session:
            head = _head(session)
            verdict = chain.examine(_all(session), (head.audit_id, head.hash))
            if verdict.fault is None and known is not None and not _holds(session, known):
                reason = "the trail does not hold the entry that was noted elsewhere"
                fault = AuditFault(known[0], reason)
                return AuditVerdict(verdict.entries, verdict.last_id, verdict.last_hash, fault)
        return verdict


def add(session: Session, entry: AuditEntry) -> None:
    """Chain an entry within a transaction that may do something else as well.

    Other writers of the audit wait here until the transaction ends, so it must lock no study
    after this.
    """
    head = _locked_head(session)
    linked = chain.link(_named(session, _cleaned(entry)), head.audit_id, head.hash)
    session.add(
        AuditRow(
            audit_id=linked.audit_id,
            at=linked.at,
            actor=linked.actor,
            actor_name=linked.actor_name,
            action=linked.action,
            study_instance_uid=linked.study_instance_uid,
            run_id=linked.run_id,
            detail=linked.detail,
            previous_hash=linked.previous_hash,
            hash=linked.hash,
        )
    )
    head.audit_id, head.hash = linked.audit_id, linked.hash
    session.flush()


def note(session: Session, act: Act, action: str, run: RunRow) -> None:
    """Add an entry about a run: with the model and the policy, where they are known."""
    model = run.model
    words = [f"run {run.number}", "forced" if run.forced else "", act.reason]
    if model is not None:
        words.append(f"model {model.name} {model.version}, weights {model.weights_sha256}")
    words.append(f"policy {run.policy_hash}")
    detail = ", ".join(filter(None, words))
    add(session, AuditEntry(act.at, act.actor, action, run.study_instance_uid, run.run_id, detail))


def note_ending(session: Session, act: Act, ending: Refusal | Failure, run: RunRow) -> None:
    """Add an entry on a run that ended without a report, with the code but no free text."""
    verb, why = _ending(ending)
    note(session, Act(act.at, act.actor, why), f"run.{verb}", run)


def note_verdict(session: Session, act: Act, ending: Refusal | Failure, study_uid: str) -> None:
    """Add an entry on a study that ended without a run."""
    verb, why = _ending(ending)
    add(session, AuditEntry(act.at, act.actor, f"study.{verb}", study_uid, None, why))


def _ending(ending: Refusal | Failure) -> tuple[str, str]:
    if isinstance(ending, Refusal):
        return "refused", f"code {ending.code}"
    return "failed", f"stage {ending.stage}"


def _query(wanted: AuditFilter) -> Select[AuditRow]:
    query = select(AuditRow).order_by(AuditRow.audit_id.desc())
    if wanted.study_instance_uid is not None:
        query = query.where(AuditRow.study_instance_uid == wanted.study_instance_uid)
    if wanted.actor is not None:
        query = query.where(AuditRow.actor == wanted.actor)
    if wanted.who is not None:
        query = query.where(or_(AuditRow.actor == wanted.who, AuditRow.actor_name == wanted.who))
    if wanted.action is not None:
        query = query.where(AuditRow.action == wanted.action)
    if wanted.since is not None:
        query = query.where(AuditRow.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditRow.at <= wanted.until)
    return query


def _all(session: Session) -> Iterator[AuditEntry]:
    """Read page by page: a server's cursor would stay open where the reader stops early."""
    last = _BEFORE_ALL
    query = select(AuditRow).order_by(AuditRow.audit_id).limit(_PAGE)
    while page := session.scalars(query.where(AuditRow.audit_id > last)).all():
        yield from map(_entry, page)
        last = page[-1].audit_id
        session.expunge_all()


def _head(session: Session) -> AuditHeadRow:
    row = session.get(AuditHeadRow, _HEAD)
    return row or AuditHeadRow(head_id=_HEAD, audit_id=0, hash="lost")


def _locked_head(session: Session) -> AuditHeadRow:
    query = select(AuditHeadRow).where(AuditHeadRow.head_id == _HEAD)
    head = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if head is None:
        raise LedgerError("the audit has lost its head row: run dicom-node audit verify")
    return head


def _holds(session: Session, known: tuple[int, str]) -> bool:
    row = session.get(AuditRow, known[0])
    return row is not None and row.hash == known[1]


def _named(session: Session, entry: AuditEntry) -> AuditEntry:
    """Put beside a user of the site's provider what he is called at present."""
    row = session.get(SiteUserRow, entry.actor) if is_subject(entry.actor) else None
    return entry if row is None else replace(entry, actor_name=row.name)


def _cleaned(entry: AuditEntry) -> AuditEntry:
    return AuditEntry(
        entry.at,
        clean(entry.actor),
        entry.action,
        entry.study_instance_uid,
        entry.run_id,
        clean(entry.detail),
    )


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        row.at,
        row.actor,
        row.action,
        row.study_instance_uid,
        row.run_id,
        row.detail,
        row.audit_id,
        row.previous_hash,
        row.hash,
        row.actor_name,
    )
