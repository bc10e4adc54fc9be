"""Results on their way to destinations, whatever dies or fails while they are sent."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dicom_node.domain import Claim
from dicom_node.errors import ArchiveAway, DeliveryFailed, StoreRejected, StudyNotFound
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.policy import Retry
from tests.ledgers import finish, report, start
from worker.deliveries import Sender
from worker.outbox import LONGEST_S, Outbox

AT_ONCE = Retry(attempts=3, first_delay_s=0, longest_delay_s=0)
SR, HEATMAP = "2.25.11", "2.25.12"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    yield opened
    opened.close()


class Archived:
    """The results that the archive holds."""

    def __init__(self, **results: bytes) -> None:
        self.results = results
        self.away = False

    def result(self, sop_instance_uid: str) -> bytes:
        if self.away:
            raise ArchiveAway("nobody listens")
        if sop_instance_uid not in self.results:
            raise StudyNotFound(f"object {sop_instance_uid} is no longer in the archive")
        return self.results[sop_instance_uid]


BOTH = {SR: b"report", HEATMAP: b"heatmap"}


class Place:
    """A destination that takes what it is sent, once it is on."""

    def __init__(self, name: str, *, on: bool = True) -> None:
        self.name = name
        self.on = on
        self.received: list[bytes] = []
        self.calls = 0
        self.fault: Exception | None = None

    def send(self, dicom_file: Path) -> None:
        self.calls += 1
        if self.fault is not None:
            raise self.fault
        if not self.on:
            raise DeliveryFailed(f"{self.name} is away")
        self.received.append(dicom_file.read_bytes())


class Desk:
    """A sender on a ledger, an archive and some places."""

    def __init__(self, folder: Path, ledger: Ledger, *places: Place) -> None:
        self.archive = Archived(**BOTH)
        self.folder = folder / "outbox"
        self._ledger = ledger
        self._sender = Sender(
            ledger.deliveries,
            {place.name: place for place in places},
            self.archive,
            AT_ONCE,
            Outbox(self.folder),
        )

    def report(self, *wanted: str, places: tuple[str, ...] = ("pacs",)) -> Claim:
        """Let each place want these objects of a run, which is reported then."""
        self._ledger.deliveries.want({place: set(wanted) for place in places})
        return report(self._ledger)

    def round(self) -> None:
        """Send what is due; nothing of a patient is left in the outbox afterwards."""
        self._sender.round()
        assert not self.folder.exists() or list(self.folder.iterdir()) == []

    @property
    def states(self) -> Mapping[str, int]:
        """Return how many deliveries are in each state."""
        return self._ledger.queries.counts().deliveries


def test_folder_that_cannot_be_written_may_pass(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(DeliveryFailed) as caught, Outbox(tmp_path / "outbox").holding("1", b""):
        pass
    assert caught.value.retryable


def test_every_place_gets_the_object_and_no_file_stays(tmp_path: Path, ledger: Ledger) -> None:
    near, far = Place("pacs"), Place("research", on=False)
    desk = Desk(tmp_path, ledger, near, far)
    desk.report("sr", places=("pacs", "research"))
    desk.round()
    far.on = True
    desk.round()
    assert near.received == far.received == [b"report"]
    assert desk.states == {"DELIVERED": 2}


def test_file_of_a_sender_that_was_killed_goes_when_it_is_old(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    old, new = tmp_path / "2.25.1.dcm", tmp_path / "2.25.2.dcm"
    for file in (old, new):
        file.write_bytes(b"a patient")
    long_ago = time.time() - LONGEST_S - 1
    os.utime(old, (long_ago, long_ago))
    assert outbox.clear() == 1
    assert list(tmp_path.iterdir()) == [new]
    assert Outbox(tmp_path / "none").clear() == 0


def test_place_that_is_away_is_asked_once_in_a_round(tmp_path: Path, ledger: Ledger) -> None:
    far, near = Place("far", on=False), Place("near")
    desk = Desk(tmp_path, ledger, far, near)
    desk.report("sr", "heatmap", places=("far", "near"))
    desk.round()
    assert (far.calls, near.calls) == (1, 2)
    far.on = True
    desk.round()
    assert (far.calls, near.calls) == (3, 2)


def test_object_that_nobody_foresaw_holds_up_no_other(tmp_path: Path, ledger: Ledger) -> None:
    odd, near = Place("far"), Place("near")
    odd.fault = ValueError("SECRET^PATIENT")
    desk = Desk(tmp_path, ledger, odd, near)
    desk.report("sr", "heatmap", places=("far", "near"))
    desk.round()
    assert (odd.calls, near.calls) == (2, 2)
    odd.fault = None
    desk.round()
    assert len(odd.received) == 2


def test_archive_that_is_away_costs_no_attempt(tmp_path: Path, ledger: Ledger) -> None:
    pacs = Place("pacs")
    desk = Desk(tmp_path, ledger, pacs)
    claim = desk.report("sr")
    desk.archive.away = True
    desk.round()
    detail = ledger.queries.detail(claim.study_instance_uid)
    assert detail is not None
    assert [(one.state, one.attempts) for one in detail.deliveries] == [("PENDING", 0)]
    assert pacs.calls == 0


def given_up(desk: Desk, pacs: Place) -> Claim:
    """Let a PACS refuse the report of a run; return the run's claim."""
    claim = desk.report("sr")
    pacs.fault = StoreRejected("not this one")
    desk.round()
    pacs.fault = None
    assert desk.states == {"FAILED": 1}
    return claim


def test_delivery_that_was_given_up_is_sent_when_asked_for(tmp_path: Path, ledger: Ledger) -> None:
    pacs = Place("pacs")
    desk = Desk(tmp_path, ledger, pacs)
    given_up(desk, pacs)

    (revived,) = ledger.deliveries.revive_failed("anna")
    desk.round()

    assert (revived.destination, revived.sop_instance_uid) == ("pacs", SR)
    assert pacs.received == [b"report"]
    assert desk.states == {"DELIVERED": 1}
    told = {entry.action: entry.actor for entry in ledger.audit.entries()}
    assert (told["report.redeliver"], told["report.deliver"]) == ("anna", "node")
    assert ledger.deliveries.revive_failed("anna") == ()


def test_delivery_of_what_the_archive_lost_fails(tmp_path: Path, ledger: Ledger) -> None:
    pacs = Place("pacs")
    desk = Desk(tmp_path, ledger, pacs)
    desk.report("sr")
    desk.archive.results.clear()
    desk.round()
    assert pacs.received == []
    assert desk.states == {"FAILED": 1}


def test_delivery_of_a_run_that_does_not_stand_is_not_revived(
    tmp_path: Path, ledger: Ledger
) -> None:
    pacs = Place("pacs")
    desk = Desk(tmp_path, ledger, pacs)
    given_up(desk, pacs)
    desk.archive.results["2.25.21"] = b"second report"
    report(ledger, "images-2")

    desk.round()

    assert ledger.deliveries.revive_failed("anna") == ()
    assert desk.states == {"DELIVERED": 1, "FAILED": 1}


def test_object_that_the_archive_does_not_hold_is_sent_though_its_run_was_superseded(
    tmp_path: Path, ledger: Ledger
) -> None:
    pacs = Place("pacs", on=False)
    desk = Desk(tmp_path, ledger, pacs)
    ledger.deliveries.want({"pacs": {"sr", "rejection"}})
    claim = start(ledger)
    assert [ledger.deliveries.post(claim, "rejection", "2.25.5", b"note") for _ in "12"] == [1, 0]
    finish(ledger, claim)
    desk.archive.results["2.25.21"] = b"second report"
    report(ledger, "images-2")
    desk.round()
    pacs.on = True
    desk.round()
    assert sorted(pacs.received) == [b"note", b"second report"]
    assert ledger.deliveries.posted("2.25.5") is None
    assert desk.states == {"DELIVERED": 2, "WITHDRAWN": 1}


def test_object_that_the_archive_does_not_hold_is_revived_though_its_run_was_superseded(
    tmp_path: Path, ledger: Ledger
) -> None:
    pacs = Place("pacs")
    desk = Desk(tmp_path, ledger, pacs)
    ledger.deliveries.want({"pacs": {"rejection"}})
    claim = start(ledger)
    ledger.deliveries.post(claim, "rejection", "2.25.5", b"note")
    pacs.fault = StoreRejected("no notes here")
    desk.round()
    finish(ledger, claim)
    report(ledger, "images-2")
    pacs.fault = None
    assert [one.sop_instance_uid for one in ledger.deliveries.revive_failed("anna")] == ["2.25.5"]
    desk.round()
    assert pacs.received == [b"note"]
