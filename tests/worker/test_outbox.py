"""Files on their way to destinations, whatever dies while they are written."""

from pathlib import Path

import pytest

from dicom_node.domain import ObjectRef
from dicom_node.errors import DeliveryFailed
from dicom_node.ledger import open_ledger
from dicom_node.policy import Retry
from tests.ledgers import start
from worker.deliveries import deliver_due
from worker.outbox import Outbox

_REPORT = ObjectRef("1.2.840.10008.5.1.4.1.1.88.34", "2.25.1", "2.25.9")


def test_second_writing_never_shows_a_reader_half_a_file(tmp_path: Path) -> None:
    """A reader that has the first file open keeps it; the second takes its place whole."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    run_id = start(ledger).run_id
    outbox = Outbox(tmp_path / "outbox", (("pacs", frozenset({"sr"})),))
    outbox.post(ledger.deliveries, run_id, "sr", _REPORT, b"first")
    file = tmp_path / "outbox" / "2.25.1.dcm"
    with file.open("rb") as reader:
        outbox.post(ledger.deliveries, run_id, "sr", _REPORT, b"second, longer")
        assert reader.read() == b"first"
    assert file.read_bytes() == b"second, longer"
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    ledger.close()


def test_folder_that_cannot_be_written_may_pass(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    (tmp_path / "outbox").write_text("a file where the folder should be")
    outbox = Outbox(tmp_path / "outbox", (("pacs", frozenset({"sr"})),))
    with pytest.raises(DeliveryFailed) as caught:
        outbox.post(ledger.deliveries, start(ledger).run_id, "sr", _REPORT, b"report")
    assert caught.value.retryable
    ledger.close()


class Place:
    """A destination that takes what it is sent, once it is on."""

    def __init__(self, name: str, *, on: bool = True) -> None:
        self.name = name
        self.on = on
        self.received: list[bytes] = []

    def send(self, dicom_file: Path) -> None:
        if not self.on:
            raise DeliveryFailed(f"{self.name} is away")
        self.received.append(dicom_file.read_bytes())


def test_file_goes_when_every_destination_has_it(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    wanted = frozenset({"sr"})
    outbox = Outbox(tmp_path / "outbox", (("pacs", wanted), ("research", wanted)))
    outbox.post(ledger.deliveries, start(ledger).run_id, "sr", _REPORT, b"report")
    near, far = Place("pacs"), Place("research", on=False)
    at_once = Retry(attempts=3, first_delay_s=0, longest_delay_s=0)
    deliver_due(ledger.deliveries, {"pacs": near, "research": far}, at_once)
    file = tmp_path / "outbox" / "2.25.1.dcm"
    assert file.exists()
    far.on = True
    deliver_due(ledger.deliveries, {"pacs": near, "research": far}, at_once)
    assert near.received == far.received == [b"report"]
    assert not file.exists()
    ledger.close()
