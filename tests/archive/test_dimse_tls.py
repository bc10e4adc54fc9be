"""Our own side of DICOM over TLS, against real SCPs: pynetdicom's and dcmtk's."""

import gc
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydicom import Dataset
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.events import Event

from dicom_node.archive.dimse import DimseDestination, Peer, StoreScu, tls_context
from dicom_node.destination import DestinationSettings
from dicom_node.errors import DeliveryFailed, SettingsError
from tests.certificates import Authority, Identity
from tests.dcmtk import dcmtk
from tests.nodes import NotYetError, eventually, free_port

# pynetdicom 3.0.4 leaves a refused socket to the collector, which warns.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@contextmanager
def pacs(authority: Authority, identity: Identity) -> Iterator[tuple[int, list[Dataset]]]:
    """Run an SCP that shows ``identity`` and asks for a certificate of the authority."""
    received: list[Dataset] = []

    def take(event: Event) -> int:
        received.append(event.dataset)
        return 0x0000

    entity = AE("PACS")
    entity.supported_contexts = StoragePresentationContexts
    port = free_port()
    server = entity.start_server(
        ("127.0.0.1", port),
        block=False,
        ssl_context=authority.server(identity),
        evt_handlers=[(evt.EVT_C_STORE, take)],
    )
    assert server is not None
    yield port, received
    server.shutdown()
    gc.collect()


def destination(
    port: int, authority: Authority, mine: Identity | None, name: str = ""
) -> DimseDestination:
    settings = DestinationSettings(
        name="pacs",
        kind="dimse",
        port=port,
        ae_title="PACS",
        timeout_s=5,
        tls_ca_file=authority.file,
        tls_certificate_file=None if mine is None else mine.certificate,
        tls_key_file=None if mine is None else mine.key,
        tls_server_name=name,
    )
    return DimseDestination(settings, "AITRIAGE")


def test_delivery_with_certificates_of_both_sides(authority: Authority, film: Path) -> None:
    with pacs(authority, authority.issue("127.0.0.1")) as (port, received):
        destination(port, authority, authority.issue("node.example")).send(film)
    assert len(received) == 1


def test_delivery_to_an_address_whose_certificate_has_a_name(
    authority: Authority, film: Path
) -> None:
    with pacs(authority, authority.issue("pacs.example")) as (port, received):
        destination(port, authority, authority.issue("n"), "pacs.example").send(film)
    assert len(received) == 1


@pytest.mark.parametrize(
    "fault",
    ["pacs of another CA", "pacs of another name", "no certificate", "certificate of another CA"],
)
def test_delivery_is_refused(authority: Authority, film: Path, tmp_path: Path, fault: str) -> None:
    other = Authority(tmp_path / "other", "other")
    theirs = authority.issue("pacs.example" if fault == "pacs of another name" else "127.0.0.1")
    mine: Identity | None = authority.issue("node.example")
    if fault == "pacs of another CA":
        theirs = other.issue("127.0.0.1")
    if fault == "no certificate":
        mine = None
    if fault == "certificate of another CA":
        mine = other.issue("node.example")
    with pacs(authority, theirs) as (port, received), pytest.raises(DeliveryFailed):
        destination(port, authority, mine).send(film)
    assert received == []


def test_delivery_to_dcmtk(authority: Authority, film: Path, tmp_path: Path) -> None:
    theirs, mine, port = authority.issue("127.0.0.1"), authority.issue("n"), free_port()
    folder = tmp_path / "received"
    folder.mkdir()
    command = [
        dcmtk("storescp"), "-od", str(folder), "+tls", str(theirs.key), str(theirs.certificate),
        "+cf", str(authority.file), "-rc", str(port),
    ]  # fmt: skip
    with subprocess.Popen(command) as server:
        try:
            context = tls_context(authority.file, mine.certificate, mine.key)
            scu = StoreScu(Peer("127.0.0.1", port, "PACS", timeout_s=5, tls=context))
            for attempt in eventually(20):
                with attempt:
                    try:
                        (outcome,) = scu.send([film])
                    except DeliveryFailed as exc:
                        raise NotYetError(str(exc)) from exc
        finally:
            server.terminate()
            gc.collect()
    assert outcome.stored
    assert len(list(folder.iterdir())) == 1


def test_file_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate", encoding="utf-8")
    with pytest.raises(DeliveryFailed, match="cannot be used"):
        tls_context(bad, None, None)


@pytest.mark.parametrize("given", ["tls_certificate_file", "tls_key_file", "tls_server_name"])
def test_half_of_tls_is_refused(given: str) -> None:
    with pytest.raises(ValidationError, match="tls_ca_file"):
        DestinationSettings.model_validate({"name": "pacs", "kind": "dimse", given: "x"})


def test_certificate_without_a_ca_is_refused(authority: Authority) -> None:
    mine = authority.issue("n")
    with pytest.raises(SettingsError, match="CA"):
        tls_context(None, mine.certificate, mine.key)
