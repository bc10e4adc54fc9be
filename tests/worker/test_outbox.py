"""Files on their way to destinations, whatever dies while they are written."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dicom_node.domain import Claim, ObjectRef
from dicom_node.errors import DeliveryFailed, StoreRejected, StudyNotFound
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.ledger.database import Database
from dicom_node.ledger.deliveries import DeliveryBook
from dicom_node.policy import Retry
from tests.ledgers import finish, start
from worker.deliveries import deliver_due
from worker.outbox import Outbox


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    yield opened
    opened.close()


_REPORT = ObjectRef("1.2.840.10008.5.1.4.1.1.88.34", "2.25.1", "2.25.9")
AT_ONCE = Retry(attempts=3, first_delay_s=0, longest_delay_s=0)


def test_second_writing_never_shows_a_reader_half_a_file(tmp_path: Path, ledger: Ledger) -> None:
    """A reader that has the first file open keeps it; the second takes its place whole."""
    run_id = start(ledger).run_id
    outbox = Outbox(tmp_path / "outbox", (("pacs", frozenset({"sr"})),))
    outbox.post(ledger.deliveries, run_id, "sr", _REPORT, b"first")
    file = tmp_path / "outbox" / "2.25.1.dcm"
    with file.open("rb") as reader:
        outbox.post(ledger.deliveries, run_id, "sr", _REPORT, b"second, longer")
        assert reader.read() == b"first"
    assert file.read_bytes() == b"second, longer"
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_folder_that_cannot_be_written_may_pass(tmp_path: Path, ledger: Ledger) -> None:
    (tmp_path / "outbox").write_text("a file where the folder should be", encoding="utf-8")
    outbox = Outbox(tmp_path / "outbox", (("pacs", frozenset({"sr"})),))
    with pytest.raises(DeliveryFailed) as caught:
        outbox.post(ledger.deliveries, start(ledger).run_id, "sr", _REPORT, b"report")
    assert caught.value.retryable


class Archived:
    """The results that the archive holds."""

    def __init__(self, **results: bytes) -> None:
        self._results = results

    def result(self, sop_instance_uid: str) -> bytes:
        if sop_instance_uid not in self._results:
            raise StudyNotFound(f"object {sop_instance_uid} is no longer in the archive")
        return self._results[sop_instance_uid]


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


def test_file_goes_when_every_destination_has_it(tmp_path: Path, ledger: Ledger) -> None:
    wanted = frozenset({"sr"})
    outbox = Outbox(tmp_path / "outbox", (("pacs", wanted), ("research", wanted)))
    outbox.post(ledger.deliveries, start(ledger).run_id, "sr", _REPORT, b"report")
    near, far = Place("pacs"), Place("research", on=False)
    deliver_due(ledger.deliveries, {"pacs": near, "research": far}, Archived(), AT_ONCE)
    file = tmp_path / "outbox" / "2.25.1.dcm"
    assert file.exists()
    far.on = True
    deliver_due(ledger.deliveries, {"pacs": near, "research": far}, Archived(), AT_ONCE)
    assert near.received == far.received == [b"report"]
    assert not file.exists()


def two_objects(tmp_path: Path, ledger: Ledger) -> None:
    """Post two objects, each to both places."""
    wanted = frozenset({"sr"})
    outbox = Outbox(tmp_path / "outbox", (("far", wanted), ("near", wanted)))
    run_id = start(ledger).run_id
    for number in (1, 2):
        ref = ObjectRef(_REPORT.sop_class_uid, f"2.25.{number}", "2.25.9")
        outbox.post(ledger.deliveries, run_id, "sr", ref, b"report")


def test_place_that_is_away_is_asked_once_in_a_round(tmp_path: Path, ledger: Ledger) -> None:
    two_objects(tmp_path, ledger)
    far, near = Place("far", on=False), Place("near")
    deliver_due(ledger.deliveries, {"far": far, "near": near}, Archived(), AT_ONCE)
    assert (far.calls, near.calls) == (1, 2)
    far.on = True
    deliver_due(ledger.deliveries, {"far": far, "near": near}, Archived(), AT_ONCE)
    assert (far.calls, near.calls) == (3, 2)


def test_object_that_nobody_foresaw_holds_up_no_other(tmp_path: Path, ledger: Ledger) -> None:
    two_objects(tmp_path, ledger)
    odd, near = Place("far"), Place("near")
    odd.fault = ValueError("SECRET^PATIENT")
    deliver_due(ledger.deliveries, {"far": odd, "near": near}, Archived(), AT_ONCE)
    assert (odd.calls, near.calls) == (2, 2)
    odd.fault = None
    deliver_due(ledger.deliveries, {"far": odd, "near": near}, Archived(), AT_ONCE)
    assert len(odd.received) == 2


def test_object_that_every_place_has_is_not_left_behind(tmp_path: Path, ledger: Ledger) -> None:
    """A worker that died after the delivery comes back and posts the same once more."""
    outbox = Outbox(tmp_path / "outbox", (("pacs", frozenset({"sr"})),))
    run_id = start(ledger).run_id
    for _ in range(2):
        outbox.post(ledger.deliveries, run_id, "sr", _REPORT, b"report")
        deliver_due(ledger.deliveries, {"pacs": Place("pacs")}, Archived(), AT_ONCE)
        assert list((tmp_path / "outbox").iterdir()) == []


def test_object_that_was_given_up_is_kept_in_the_archive_alone(
    tmp_path: Path, ledger: Ledger
) -> None:
    outbox = Outbox(tmp_path / "outbox", (("pacs", frozenset({"sr"})),))
    outbox.post(ledger.deliveries, start(ledger).run_id, "sr", _REPORT, b"report")
    pacs = Place("pacs")
    pacs.fault = StoreRejected("not this one")
    deliver_due(ledger.deliveries, {"pacs": pacs}, Archived(), AT_ONCE)
    assert ledger.queries.counts().deliveries == {"FAILED": 1}
    assert list((tmp_path / "outbox").iterdir()) == []


def given_up(tmp_path: Path, ledger: Ledger, pacs: Place) -> Claim:
    """Let a PACS refuse the report of a run; return the run's claim."""
    outbox = Outbox(tmp_path / "outbox", (("pacs", frozenset({"sr"})),))
    claim = start(ledger)
    outbox.post(ledger.deliveries, claim.run_id, "sr", _REPORT, b"report")
    pacs.fault = StoreRejected("not this one")
    deliver_due(ledger.deliveries, {"pacs": pacs}, Archived(), AT_ONCE)
    pacs.fault = None
    assert ledger.queries.counts().deliveries == {"FAILED": 1}
    return claim


def test_delivery_that_was_given_up_is_sent_from_the_archive_when_asked_for(
    tmp_path: Path, ledger: Ledger
) -> None:
    pacs = Place("pacs")
    claim = given_up(tmp_path, ledger, pacs)
    finish(ledger, claim)

    (revived,) = ledger.deliveries.revive_failed("anna")
    deliver_due(ledger.deliveries, {"pacs": pacs}, Archived(**{"2.25.1": b"report"}), AT_ONCE)

    assert (revived.destination, revived.sop_instance_uid) == ("pacs", "2.25.1")
    assert pacs.received == [b"report"]
    assert ledger.queries.counts().deliveries == {"DELIVERED": 1}
    assert list((tmp_path / "outbox").iterdir()) == []
    told = {entry.action: entry.actor for entry in ledger.audit.entries()}
    assert (told["report.redeliver"], told["report.deliver"]) == ("anna", "node")
    assert ledger.deliveries.revive_failed("anna") == ()


def test_delivery_of_what_the_archive_lost_fails_again(tmp_path: Path, ledger: Ledger) -> None:
    pacs = Place("pacs")
    finish(ledger, given_up(tmp_path, ledger, pacs))
    ledger.deliveries.revive_failed("anna")

    deliver_due(ledger.deliveries, {"pacs": pacs}, Archived(), AT_ONCE)

    assert pacs.received == []
    assert ledger.queries.counts().deliveries == {"FAILED": 1}


def test_delivery_of_a_run_that_does_not_stand_is_not_revived(
    tmp_path: Path, ledger: Ledger
) -> None:
    given_up(tmp_path, ledger, Place("pacs"))

    assert ledger.deliveries.revive_failed("anna") == ()
    assert ledger.queries.counts().deliveries == {"FAILED": 1}


class SweptBetween(DeliveryBook):
    """A book after each of whose writings the other process sends what is due."""

    def __init__(self, database: Database, places: dict[str, Place]) -> None:
        super().__init__(database)
        self._places = places

    def plan(
        self, run_id: str, destinations: Sequence[str], sop_instance_uid: str, file: str
    ) -> bool:
        pending = super().plan(run_id, destinations, sop_instance_uid, file)
        deliver_due(self, self._places, Archived(), AT_ONCE)
        return pending


def test_object_sent_while_it_is_planned_reaches_every_place(
    tmp_path: Path, ledger: Ledger
) -> None:
    places = {name: Place(name) for name in ("far", "near")}
    wanted = frozenset({"sr"})
    outbox = Outbox(tmp_path / "outbox", (("far", wanted), ("near", wanted)))
    book = SweptBetween(ledger.database, places)
    outbox.post(book, start(ledger).run_id, "sr", _REPORT, b"report")
    assert [place.received for place in places.values()] == [[b"report"]] * 2
