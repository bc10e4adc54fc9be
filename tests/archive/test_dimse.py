"""The node as an SCU, against a real SCP on loopback."""

import gc
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from pydicom import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, StoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from dicom_node.archive.dimse import DimseDestination, Peer, StoreScu
from dicom_node.destination import DestinationSettings
from dicom_node.errors import DeliveryFailed, StoreRejected
from dicom_node.pixels.wrap import encode
from tests.builders import Film
from tests.nodes import free_port


class Scp:
    """A storage SCP that answers with a status of the test's choice."""

    def __init__(self) -> None:
        self.port = free_port()
        self.status = 0x0000
        self.aborts = 0
        self.received: list[Dataset] = []
        self.callers: list[str] = []
        self.delays: list[bool] = []
        entity = AE("TEST-SCP")
        entity.supported_contexts = StoragePresentationContexts
        for context in StoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax or "", ALL_TRANSFER_SYNTAXES)
        entity.add_supported_context(Verification)
        self._server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()

    def _take(self, event: Event) -> int:
        self.callers.append(event.assoc.requestor.ae_title)
        self.delays.append(_waits_for_acknowledgements(event.assoc.requestor.port))
        if self.aborts:
            self.aborts -= 1
            event.assoc.abort()
            return self.status
        self.received.append(event.dataset)
        return self.status


def _waits_for_acknowledgements(port: int | None) -> bool:
    """Tell whether our socket with this own port keeps back what is small (RFC 896)."""
    own = psutil.Process().net_connections()
    (fd,) = (c.fd for c in own if c.raddr and c.laddr.port == port)
    with socket.socket(fileno=os.dup(fd)) as same:
        return not same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture
def scp() -> Iterator[Scp]:
    peer = Scp()
    yield peer
    peer.close()


@pytest.fixture
def destination(scp: Scp) -> Callable[[], DimseDestination]:
    settings = DestinationSettings(
        name="pacs", kind="dimse", port=scp.port, ae_title="TEST-SCP", timeout_s=5
    )
    return lambda: DimseDestination(settings, "AITRIAGE")


def test_echo_answers(scp: Scp) -> None:
    StoreScu(Peer("127.0.0.1", scp.port, "TEST-SCP")).echo()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_echo_without_a_peer_is_a_delivery_failure() -> None:
    with pytest.raises(DeliveryFailed, match="does not accept"):
        StoreScu(Peer("127.0.0.1", free_port(), "NOBODY", timeout_s=2)).echo()
    gc.collect()  # pynetdicom 3.0.4 leaves the refused socket to the collector, which warns


def test_send_gives_each_file_its_outcome(scp: Scp, film: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.dcm"
    page.write_text("<html></html>", encoding="utf-8")
    outcomes = {o.path.name: o for o in StoreScu(_peer(scp)).send([film, page])}
    assert outcomes["film.dcm"].stored
    assert not outcomes["page.dcm"].stored
    assert outcomes["page.dcm"].status is None
    assert scp.callers == ["DICOM-NODE"]


def test_send_waits_for_no_acknowledgement(scp: Scp, film: Path) -> None:
    """Nagle's algorithm holds up each instance by the 40 ms of a delayed acknowledgement."""
    (outcome,) = StoreScu(_peer(scp)).send([film])
    assert outcome.stored
    assert scp.delays == [False]


@pytest.mark.data
def test_send_keeps_the_transfer_syntax_of_every_file(scp: Scp, data_dir: Path) -> None:
    files = sorted((data_dir / "dicom" / "transfer_syntax").glob("*.dcm"))
    assert [o.path for o in StoreScu(_peer(scp)).send(files) if not o.stored] == []
    assert len(scp.received) == len(files)


def test_send_pads_odd_pixel_data(scp: Scp, tmp_path: Path) -> None:
    odd = Film(rows=33, columns=31).build()
    odd.BitsAllocated = odd.BitsStored = 8
    odd.HighBit = 7
    odd.PixelData = b"\1" * (33 * 31)
    path = tmp_path / "odd.dcm"
    path.write_bytes(encode(odd))
    (outcome,) = StoreScu(_peer(scp)).send([path])
    assert outcome.stored


def test_destination_success(
    destination: Callable[[], DimseDestination], scp: Scp, film: Path
) -> None:
    destination().send(film)
    assert len(scp.received) == 1
    assert scp.callers == ["AITRIAGE"]


def test_destination_out_of_resources_may_pass(
    destination: Callable[[], DimseDestination], scp: Scp, film: Path
) -> None:
    scp.status = 0xA700
    with pytest.raises(DeliveryFailed):
        destination().send(film)


def test_destination_refusal_will_not_pass(
    destination: Callable[[], DimseDestination], scp: Scp, film: Path
) -> None:
    scp.status = 0xA900
    with pytest.raises(StoreRejected):
        destination().send(film)


def _peer(scp: Scp) -> Peer:
    return Peer("127.0.0.1", scp.port, "TEST-SCP", timeout_s=10)


def test_file_without_an_answer_is_sent_once_more(scp: Scp, film: Path) -> None:
    """pynetdicom can lose an answer that was given, and a peer can die and come back."""
    scp.aborts = 1
    (outcome,) = StoreScu(Peer("127.0.0.1", scp.port, "TEST-SCP")).send([film])
    assert outcome.stored
    assert len(scp.received) == 1


def test_file_that_a_peer_never_answers_is_not_sent_for_ever(scp: Scp, film: Path) -> None:
    scp.aborts = 3
    (outcome,) = StoreScu(Peer("127.0.0.1", scp.port, "TEST-SCP")).send([film])
    assert not outcome.stored
    assert scp.aborts == 1
