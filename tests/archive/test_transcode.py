"""Peers that take few transfer syntaxes get every object in one of them, with the same pixels."""

import gc
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.events import Event

from dicom_node.archive.dimse import Peer, SendOutcome, StoreScu
from dicom_node.errors import DeliveryFailed
from dicom_node.pixels.wrap import encode
from tests.builders import Film
from tests.dcmtk import dcmtk
from tests.nodes import NotYetError, eventually, free_port

FILM = Film(name="transcode", rows=64, columns=48)
SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGLSLossless,
)


@contextmanager
def peer(taken: Sequence[UID]) -> Iterator[tuple[Peer, list[Dataset], list[set[str]]]]:
    """Run an SCP that takes films in these transfer syntaxes alone."""
    received: list[Dataset] = []
    asked: list[set[str]] = []

    def take(event: Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        received.append(dataset)
        return 0x0000

    def note(event: Event) -> None:
        contexts = event.assoc.requestor.requested_contexts
        asked.append({str(one) for context in contexts for one in context.transfer_syntax})

    entity, port = AE("FEW"), free_port()
    entity.add_supported_context(FILM.build().SOPClassUID, list(taken))
    server = entity.start_server(
        ("127.0.0.1", port),
        block=False,
        evt_handlers=[(evt.EVT_C_STORE, take), (evt.EVT_REQUESTED, note)],
    )
    try:
        yield Peer("127.0.0.1", port, "FEW", timeout_s=10), received, asked
    finally:
        assert server is not None
        server.shutdown()


def written(folder: Path, syntax: UID) -> Path:
    """Write the film in a transfer syntax."""
    image = dcmread(BytesIO(encode(FILM.build())))
    image.RedPaletteColorLookupTableData = b"\1\2\3\4"
    image["RedPaletteColorLookupTableData"].VR = "OW"
    if syntax == ExplicitVRBigEndian:
        for keyword in ("PixelData", "RedPaletteColorLookupTableData"):
            words = np.frombuffer(image[keyword].value, "<u2").astype(">u2")
            image[keyword].value = words.tobytes()
    elif syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        image.compress(syntax, generate_instance_uid=False)
    image.file_meta.TransferSyntaxUID = syntax
    file = folder / f"{syntax}.dcm"
    dcmwrite(file, image, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return file


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda one: one.name)
@pytest.mark.parametrize("taken", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_peer_that_takes_one_syntax_gets_the_same_pixels(
    syntax: UID, taken: UID, tmp_path: Path
) -> None:
    file, before = written(tmp_path, syntax), FILM.build()
    with peer([taken]) as (scp, received, asked):
        (outcome,) = StoreScu(scp).send([file])
    assert outcome.stored, outcome.message
    (after,) = received
    assert after.file_meta.TransferSyntaxUID == taken
    assert after.SOPInstanceUID == before.SOPInstanceUID
    assert after.PixelData == before.PixelData
    assert after.RedPaletteColorLookupTableData == b"\1\2\3\4"
    assert ExplicitVRBigEndian not in asked[0]
    assert {ImplicitVRLittleEndian, ExplicitVRLittleEndian} <= asked[0]


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless], ids=lambda one: one.name)
def test_peer_that_takes_the_files_own_syntax_gets_the_file_as_it_is(
    syntax: UID, tmp_path: Path
) -> None:
    file = written(tmp_path, syntax)
    with peer([ExplicitVRLittleEndian, syntax]) as (scp, received, _):
        (outcome,) = StoreScu(scp).send([file])
    assert outcome.stored
    assert received[0].file_meta.TransferSyntaxUID == syntax
    assert received[0].PixelData == dcmread(file).PixelData


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_peer_that_takes_big_endian_alone_gets_nothing(tmp_path: Path) -> None:
    with peer([ExplicitVRBigEndian]) as (scp, received, asked), pytest.raises(DeliveryFailed):
        list(StoreScu(scp).send([written(tmp_path, ExplicitVRLittleEndian)]))
    assert received == []
    assert ExplicitVRBigEndian not in asked[0]
    gc.collect()  # pynetdicom 3.0.4 leaves the refused socket to the collector, which warns


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("option", ["+xi", "+xe"])
def test_dcmtk_that_takes_one_syntax_gets_the_film(option: str, tmp_path: Path) -> None:
    port, inbox = free_port(), tmp_path / "inbox"
    inbox.mkdir()
    command = [dcmtk("storescp"), option, "-od", str(inbox), "-aet", "FEW", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for attempt in eventually():
            with attempt:
                outcomes = sent(port, written(tmp_path, JPEG2000Lossless))
        assert [one.stored for one in outcomes] == [True]
        (stored,) = inbox.iterdir()
        assert dcmread(stored).PixelData == FILM.build().PixelData
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(inbox)
    gc.collect()  # as above: it was called before it listened


def sent(port: int, file: Path) -> list[SendOutcome]:
    try:
        return list(StoreScu(Peer("127.0.0.1", port, "FEW", timeout_s=10)).send([file]))
    except DeliveryFailed as exc:  # it is still starting
        raise NotYetError(str(exc)) from exc
