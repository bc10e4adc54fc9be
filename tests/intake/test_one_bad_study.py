"""A study that cannot be looked at is told of, and holds up no other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node import policy
from dicom_node.domain import Changes, RunState, Stage, StudyDetail, StudyRef
from dicom_node.errors import (
    ArchiveAway,
    ArchiveFault,
    ArchiveUnavailable,
    LedgerError,
    LedgerUnavailable,
    NodeError,
    QueueUnavailable,
)
from dicom_node.intake.admission import Admission
from dicom_node.intake.beginning import CURSOR
from dicom_node.intake.reconcile import Reconcile
from dicom_node.ledger import Ledger, open_ledger
from tests.listings import ListedArchive, ListedQueue, series, study

POLICY = policy.load()
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass
class OddArchive(ListedArchive):
    """An archive that cannot list some studies, and whose change log may be out of reach."""

    odd: dict[str, Exception] = field(default_factory=dict)
    lost: dict[str, Exception] = field(default_factory=dict)
    silent: NodeError | None = None

    def study_uid(self, orthanc_study_id: str) -> str:
        """Find a study by its archive id, or fail as the test wants."""
        if orthanc_study_id in self.lost:
            raise self.lost[orthanc_study_id]
        return super().study_uid(orthanc_study_id)

    def study(self, study_instance_uid: str) -> StudyRef:
        """List a study, or fail as the test wants."""
        if study_instance_uid in self.odd:
            raise self.odd[study_instance_uid]
        return super().study(study_instance_uid)

    def changes(self, since: int, limit: int = 500) -> Changes:
        """Return a page of the log, or fail as the test wants."""
        if self.silent is not None:
            raise self.silent
        return super().changes(since, limit)


@dataclass
class Desk:
    archive: OddArchive
    queue: ListedQueue
    ledger: Ledger
    reconcile: Reconcile
    admission: Admission

    def put(self, name: str, error: Exception | None = None) -> str:
        """Store a film, one that cannot be listed where there is an error; return its study."""
        subject = study([series(name, "CR")], name=name)
        self.archive.put(subject, "StableStudy")
        if error is not None:
            self.archive.odd[subject.study_instance_uid] = error
        return subject.study_instance_uid

    def told(self, uid: str) -> StudyDetail:
        detail = self.ledger.queries.detail(uid)
        assert detail is not None, "the study has vanished"
        return detail

    def due(self) -> tuple[str, ...]:
        return tuple(self.ledger.studies.due(LATER))

    def sweep(self, times: int = 1) -> None:
        """Sweep; each time, whatever waits has waited long enough."""
        for _ in range(times):
            for uid in self.due():
                self.ledger.studies.wait(uid, datetime.now(UTC) - timedelta(seconds=1))
            self.reconcile.run()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    archive, queue = OddArchive(), ListedQueue()
    admission = Admission(archive, ledger.studies, ledger.runs, queue, POLICY)
    reconcile = Reconcile(archive, ledger.studies, admission, POLICY.retry)
    yield Desk(archive, queue, ledger, reconcile, admission)
    ledger.close()


UNFORESEEN = (ValueError("SECRET^PATIENT"), KeyError("SECRET^PATIENT"), LedgerError("refused"))


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_study_that_nobody_foresaw_fails_in_plain_view(desk: Desk, error: Exception) -> None:
    before, odd, after = desk.put("before"), desk.put("odd", error), desk.put("after")
    desk.reconcile.run()
    item = desk.told(odd).item
    assert item.state is RunState.FAILED
    assert item.error is not None
    assert item.error.stage is Stage.RECEIVE
    assert "SECRET" not in item.error.message
    assert [desk.told(uid).item.state for uid in (before, after)] == [RunState.QUEUED] * 2
    assert desk.ledger.studies.cursor(CURSOR) == len(desk.archive.log)
    assert desk.due() == ()


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_study_that_waited_and_turns_odd_holds_up_no_other(desk: Desk, error: Exception) -> None:
    waiting = [desk.put(name) for name in ("odd", "good")]
    for uid in waiting:
        desk.ledger.studies.announce(uid)
        desk.ledger.studies.wait(uid, datetime.now(UTC) - timedelta(seconds=1))
    desk.ledger.studies.move_cursor(CURSOR, len(desk.archive.log))
    desk.archive.odd[waiting[0]] = error
    desk.reconcile.run()
    states = [desk.told(uid).item.state for uid in waiting]
    assert states == [RunState.FAILED, RunState.QUEUED]


def test_study_that_orthanc_cannot_list_is_tried_again_later(desk: Desk) -> None:
    odd, good = desk.put("odd", ArchiveFault("Orthanc answered 500")), desk.put("good")
    desk.reconcile.run()
    assert desk.told(good).item.state is RunState.QUEUED
    assert desk.told(odd).item.state is RunState.RECEIVED
    assert desk.due() == (odd,)
    assert odd not in desk.ledger.studies.due(datetime.now(UTC))
    desk.archive.odd.clear()
    desk.sweep()
    assert desk.told(odd).item.state is RunState.QUEUED
    assert desk.due() == ()


def test_study_that_orthanc_goes_on_not_listing_is_failed_and_still_tried(desk: Desk) -> None:
    odd = desk.put("odd", ArchiveUnavailable("Orthanc does not answer: ReadTimeout"))
    desk.sweep(POLICY.retry.attempts + 3)
    item = desk.told(odd).item
    assert item.state is RunState.FAILED
    assert item.error is not None
    assert item.error.message == "Orthanc does not answer: ReadTimeout"
    assert desk.due() == (odd,)
    desk.archive.odd.clear()
    desk.sweep()
    assert desk.told(odd).item.state is RunState.QUEUED


@pytest.mark.parametrize("error", [ArchiveAway("away"), LedgerUnavailable("locked")])
def test_what_stops_every_study_is_no_fault_of_one(desk: Desk, error: NodeError) -> None:
    odd = desk.put("film", error)
    with pytest.raises(type(error)):
        desk.reconcile.run()
    assert desk.ledger.queries.detail(odd) is None
    assert desk.ledger.studies.cursor(CURSOR) == 0


def test_broker_that_is_away_stops_the_sweep_and_fails_no_study(desk: Desk) -> None:
    film = desk.put("film")
    desk.queue.down = True
    with pytest.raises(QueueUnavailable):
        desk.reconcile.run()
    assert desk.told(film).item.state is RunState.QUEUED


def test_runs_are_handed_over_where_the_archive_is_away(desk: Desk) -> None:
    desk.put("film")
    desk.queue.down = True
    with pytest.raises(QueueUnavailable):
        desk.reconcile.run()
    desk.queue.down, desk.archive.silent = False, ArchiveAway("away")
    with pytest.raises(ArchiveAway):
        desk.reconcile.run()
    assert len(desk.queue.given) == 1


def test_entry_of_the_log_that_cannot_be_told_of_holds_up_none_that_follow(desk: Desk) -> None:
    """Orthanc answers 500 to the study of one entry: it has lost that part of its index."""
    poisoned, good = desk.put("poisoned"), desk.put("good")
    lost = desk.archive.study(poisoned).orthanc_id
    desk.archive.lost[lost] = ArchiveFault("Orthanc answered 500")
    for _ in range(POLICY.retry.attempts - 1):
        with pytest.raises(ArchiveFault):
            desk.reconcile.run()
    desk.reconcile.run()
    assert desk.told(good).item.state is RunState.QUEUED
    assert desk.ledger.studies.stepped_over() == (("StableStudy", lost),)
    del desk.archive.lost[lost]
    Reconcile(
        desk.archive,
        desk.ledger.studies,
        desk.admission,
        POLICY.retry,
        clock=lambda: LATER,
    ).run()
    assert desk.told(poisoned).item.state is RunState.QUEUED
    assert desk.ledger.studies.stepped_over() == ()


def test_ledger_begins_behind_what_the_archive_held_and_keeps_its_cursor(desk: Desk) -> None:
    old = desk.put("old")
    desk.archive.held_before = len(desk.archive.log)
    new = desk.put("new")
    desk.reconcile.run()
    assert desk.ledger.queries.detail(old) is None
    assert desk.told(new).item.state is RunState.QUEUED
    desk.ledger.studies.move_cursor(CURSOR, 0)
    desk.reconcile.run()
    assert desk.told(old).item.state is RunState.QUEUED
