"""What the broker, the archive or a dying process lost is found again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node import policy
from dicom_node.domain import Change, RunRequest, RunState, RunTicket, Trigger
from dicom_node.errors import LedgerUnavailable
from dicom_node.intake.admission import Admission
from dicom_node.intake.reconcile import SWEPT, Reconcile
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.ledger.runs import RunBook
from tests.ledgers import Clock
from tests.listings import ListedArchive, ListedQueue, series, study

POLICY = policy.load()


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.time = datetime.now(UTC)
    return clock


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}", clock=clock)
    yield opened
    opened.close()


@dataclass
class Desk:
    archive: ListedArchive
    queue: ListedQueue
    ledger: Ledger
    runs: RunBook

    @property
    def admission(self) -> Admission:
        studies = self.ledger.studies
        return Admission(self.archive, studies, self.runs, self.queue, POLICY)

    @property
    def reconcile(self) -> Reconcile:
        return Reconcile(self.archive, self.ledger.studies, self.admission, POLICY.retry)

    def queued(self, name: str) -> str:
        """Let a film be queued; return its study."""
        subject = study([series(name, "CR")], name=name)
        self.archive.put(subject, "StableStudy")
        self.admission.consider(subject.study_instance_uid, Trigger.STABLE)
        return subject.study_instance_uid

    def given(self) -> list[str]:
        """Return the runs whose messages the broker holds, and forget them."""
        runs = [run_id for run_id, _ in self.queue.given]
        self.queue.given.clear()
        return runs


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ListedArchive(), ListedQueue(), ledger, ledger.runs)


def test_run_whose_message_was_lost_is_handed_over_again_within_half_a_minute(
    desk: Desk, clock: Clock
) -> None:
    desk.queued("film")
    lost = desk.given()
    clock.forward(30)
    desk.admission.hand_over_due(clock())
    assert desk.given() == lost


def test_runs_whose_messages_still_wait_are_not_handed_over_twice(desk: Desk, clock: Clock) -> None:
    for name in ("one", "two", "three"):
        desk.queued(name)
    clock.forward(30)
    desk.admission.hand_over_due(clock())
    assert len(desk.given()) == 3


def test_one_lost_message_among_many_is_noticed(desk: Desk, clock: Clock) -> None:
    for name in ("one", "two", "three"):
        desk.queued(name)
    lost, _ = desk.queue.given.pop(1)
    clock.forward(30)
    desk.admission.hand_over_due(clock())
    assert lost in desk.given()


def test_run_handed_over_before_the_clock_was_set_back_is_not_forgotten(
    desk: Desk, clock: Clock
) -> None:
    desk.queued("film")
    lost = desk.given()
    clock.forward(-3600)
    desk.admission.hand_over_due(clock())
    assert desk.given() == lost


class LockedRuns(RunBook):
    """The ledger's runs while somebody else holds the database."""

    def request(self, request: RunRequest) -> RunTicket:
        raise LedgerUnavailable(f"{request.study_instance_uid} cannot be written")


def test_study_is_still_waited_for_where_asking_for_its_run_failed(
    desk: Desk, ledger: Ledger
) -> None:
    """A crash between the two writes must not leave a study that nobody looks at again."""
    subject = study([series("film", "CR")], name="film")
    uid = subject.study_instance_uid
    desk.archive.put(subject)
    ledger.studies.record(subject, "CR")
    ledger.studies.wait(uid, datetime.now(UTC) - timedelta(seconds=1))
    desk.runs = LockedRuns(ledger.database)
    with pytest.raises(LedgerUnavailable):
        desk.admission.consider(uid, Trigger.RECONCILE)
    assert ledger.studies.due(datetime.now(UTC)) == (uid,)


def test_image_added_just_before_orthanc_died_is_read_too(desk: Desk, ledger: Ledger) -> None:
    """Orthanc forgets when it dies which series were not stable yet; the image is in the log."""
    uid = desk.queued("film")
    desk.reconcile.run()
    (first,) = set(desk.given())
    claim = ledger.runs.claim(first, "worker", 60)
    assert claim is not None
    more = study([series("film", "CR", slices=2)], name="film")
    desk.archive.put(more)
    added = more.series[0].instances[-1].orthanc_id
    desk.archive.log.append(Change(len(desk.archive.log) + 1, "NewInstance", added))
    desk.reconcile.run()
    detail = ledger.queries.detail(uid)
    assert detail is not None
    assert [run.state for run in detail.runs] == [RunState.QUEUED, RunState.RUNNING]


def test_what_waits_moves_with_a_clock_that_was_set_back(
    desk: Desk, ledger: Ledger, clock: Clock
) -> None:
    """A lease, a retry and a waiting study keep their distance, not their date."""
    desk.queued("film")
    (run_id,) = desk.given()
    clock.time = datetime.now(UTC) + timedelta(hours=1)
    assert ledger.runs.claim(run_id, "worker that died", 30) is not None
    ledger.studies.move_cursor(SWEPT, int(clock().timestamp()))
    clock.time = datetime.now(UTC)
    desk.reconcile.run()
    clock.forward(40)
    desk.admission.hand_over_due(clock())
    assert desk.given() == [run_id]


def test_film_received_before_the_clock_was_set_back_does_not_wait_for_that_hour(
    desk: Desk,
) -> None:
    subject = study([series("film", "CR", quiet_s=-3600)], name="film")
    desk.archive.put(subject)
    desk.admission.consider(subject.study_instance_uid, Trigger.STABLE)
    assert len(desk.given()) == 1
