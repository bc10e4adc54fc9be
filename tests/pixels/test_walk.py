"""A walk over a data set that comes in pieces finds what one finds that has it whole."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from bench.fuzz import wire
from bench.fuzz.door import lie
from dicom_node.errors import ObjectRefused
from dicom_node.pixels.walk import Walk
from dicom_node.pixels.wrap import encode
from tests import bombs
from tests.images import film

_KEPT = {0x00080018: "sop_instance"}
DAMAGED = {
    "corrupt/ct_mixed_endian.dcm",
    "corrupt/deeply_nested_sequence.dcm",
    "corrupt/j2k_too_short.dcm",
    "corrupt/rtplan_truncated.dcm",
    "corrupt/truncated_pixeldata.dcm",
}
_SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def data_set() -> bytes:
    """Return a film without its meta information."""
    return body_of(encode(film()))


def body_of(file: bytes) -> bytes:
    at = wire.PREAMBLE
    for element in wire.split(file):
        if element.tag >> 16 != 0x0002:
            break
        at += len(element.encoded())
    return file[at:]


def verdict(walk: Walk, content: bytes, sizes: random.Random | None) -> str:
    """Return what a walk says of a data set that is whole, or comes in pieces of any size."""
    try:
        if sizes is None:
            walk.over(content, 0, len(content))
        else:
            at = 0
            while at < len(content):
                size = sizes.choice((1, 2, 7, 80, 1000, 70_000))
                walk.feed(memoryview(content)[at : at + size])
                at += size
            walk.finish()
    except ObjectRefused:
        return "refused"
    return f"sound {walk.found}"


@given(strategies.integers(0, 2**32), strategies.sampled_from(_SYNTAXES))
def test_pieces_are_judged_as_the_whole(seed: int, syntax: str) -> None:
    rng = random.Random(seed)
    content = lie(rng)
    whole = verdict(Walk.of(syntax, _KEPT), content, None)
    assert verdict(Walk.of(syntax, _KEPT), content, rng) == whole


@given(strategies.integers(0, 2**32), strategies.integers(0, 3))
def test_sound_data_set_passes_in_pieces(seed: int, padding: int) -> None:
    content = data_set() + bytes(300 * padding)
    said = verdict(Walk.of(ExplicitVRLittleEndian, _KEPT), content, random.Random(seed))
    assert said.startswith("sound {'sop_instance'")


def test_what_stands_behind_padding_is_refused() -> None:
    walk = Walk.of(ExplicitVRLittleEndian, _KEPT)
    walk.feed(data_set() + bytes(500))
    with pytest.raises(ObjectRefused, match="padding"):
        walk.feed(b"more" * 100)


def unknown(content: bytes) -> bytes:
    """Return a private value of unknown VR and known length, and an image's pixels behind it."""
    tail = wire.Element(0x7FE00010, b"OW", bytes(300)).encoded()
    return wire.Element(0x00291010, b"UN", content).encoded() + tail


@pytest.mark.parametrize(
    "content",
    [
        b"\xfe\xff\x00\xe0" + bytes(range(200)),
        b"\xfe\xff\x00\xe0\x08\0\0\0\xfe\xff\xdd\xe0\0\0\0\0",
        b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"\x08\0\x60\0CS\x02\0CT" * 9,
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_private_value_that_only_looks_like_a_sequence_passes(content: bytes, seed: int) -> None:
    walk = Walk.of(ExplicitVRLittleEndian, _KEPT)
    assert verdict(walk, unknown(content), random.Random(seed)) != "refused"
    assert verdict(Walk.of(ExplicitVRLittleEndian, _KEPT), unknown(content), None) != "refused"


def test_private_value_that_nests_too_deeply_is_refused() -> None:
    deep = bombs.sequences(70, explicit=False)[8:]
    walk = Walk.of(ExplicitVRLittleEndian, _KEPT)
    assert verdict(walk, unknown(deep), random.Random(1)) == "refused"


def test_what_is_larger_than_admitted_is_refused_at_its_head() -> None:
    walk = Walk.of(ExplicitVRLittleEndian, _KEPT)
    walk.largest = 1 << 20
    with pytest.raises(ObjectRefused, match="longer than what holds it"):
        walk.feed(wire.Element(0x7FE00010, b"OW", bytes(200), 2 << 20).encoded())


@pytest.mark.data
def test_research_data_passes_but_for_what_is_damaged(data_dir: Path) -> None:
    folder = data_dir / "dicom"
    judged = {
        file.relative_to(folder): verdict(
            Walk.of(syntax, _KEPT), body_of(content), random.Random(1)
        )
        for file, syntax, content in plain_files(folder)
    }
    refused = {str(name) for name, said in judged.items() if said == "refused"}
    assert refused == DAMAGED


def plain_files(folder: Path) -> Iterator[tuple[Path, str, bytes]]:
    """Yield files of PS3.10 that name their transfer syntax, but for deflated ones."""
    for file in sorted(folder.rglob("*.dcm")):
        content = file.read_bytes()
        if content[wire.PREAMBLE - 4 : wire.PREAMBLE] == b"DICM":
            syntax = read_file_meta_info(file).get("TransferSyntaxUID")
            if syntax and syntax != DeflatedExplicitVRLittleEndian:
                yield file, syntax, content
