"""The look at a file's structure: what is sound passes, what would end a parser is refused."""

from io import BytesIO

import pytest
from hypothesis import given, strategies
from pydicom import Dataset, Sequence, dcmread, dcmwrite
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_node.errors import ObjectRefused
from dicom_node.pixels.structure import SYNTAX_NOT_SUPPORTED, examine
from dicom_node.pixels.walk import CANNOT_UNDERSTAND, DEEPEST
from dicom_node.pixels.wrap import encode
from tests import bombs
from tests.builders import Film
from tests.images import film

_META_LENGTH_AT = 140


def written(ds: Dataset, syntax: UID) -> bytes:
    """Return a file in this transfer syntax, as pydicom writes it."""
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    ds.file_meta.TransferSyntaxUID = syntax
    file = BytesIO()
    dcmwrite(file, ds, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
    return file.getvalue()


def with_items(depth: int, *, undefined: bool) -> Dataset:
    """Return a film with sequences in one another, private data and an empty value beside them."""
    ds = Film().build()
    ds.private_block(0x0009, "TEST", create=True).add_new(1, "OB", b"\xfe\xff\x00\xe1ab")
    inner = Dataset()
    inner.CodeMeaning = ""
    for _ in range(depth):
        outer = Dataset()
        outer.ConceptCodeSequence = Sequence([inner, Dataset()])
        outer["ConceptCodeSequence"].is_undefined_length = undefined
        inner.is_undefined_length_sequence_item = undefined
        inner = outer
    ds.ProcedureCodeSequence = Sequence([inner])
    return ds


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("undefined", [True, False])
def test_sound_file_says_what_it_is(syntax: UID, undefined: bool) -> None:
    ds = with_items(5, undefined=undefined)
    content = written(ds, syntax)
    heading = examine(b"before" + content + b"after", 6, 6 + len(content))
    assert heading.transfer_syntax_uid == syntax
    assert heading.sop_class_uid == ds.SOPClassUID
    assert heading.sop_instance_uid == ds.SOPInstanceUID
    assert heading.study_instance_uid == ds.StudyInstanceUID
    assert heading.series_instance_uid == ds.SeriesInstanceUID


def test_compressed_pixels_are_stepped_over() -> None:
    ds = Film().build()
    ds.compress("1.2.840.10008.1.2.5")
    assert examine(encode(ds)).transfer_syntax_uid == "1.2.840.10008.1.2.5"


def test_zeros_behind_the_data_set_are_padding() -> None:
    assert examine(encode(film()) + bytes(512)).sop_instance_uid


@pytest.mark.parametrize("depth", [DEEPEST + 1, 1000, 20_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(ObjectRefused, match="in one another") as refusal:
        examine(bombs.nested(depth))
    assert refusal.value.reason == CANNOT_UNDERSTAND


def test_deepest_nesting_that_is_admitted_passes() -> None:
    assert examine(bombs.nested(DEEPEST)).sop_instance_uid


def test_deep_nesting_below_an_unknown_value_is_refused() -> None:
    whole = encode(film())
    at = whole.index(b"\x10\x00\x10\x00PN")
    head = b"\x09\x00\x01\x11UN\0\0\xff\xff\xff\xff"
    opening = b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x09\x00\x01\x11\xff\xff\xff\xff"
    with pytest.raises(ObjectRefused, match="in one another"):
        examine(whole[:at] + head + opening * 5000 + whole[at:])


def test_deflated_file_is_refused_by_its_syntax_unless_it_is_admitted() -> None:
    small = bombs.deflated(bombs.MIB)
    with pytest.raises(ObjectRefused) as refusal:
        examine(small)
    assert refusal.value.reason == SYNTAX_NOT_SUPPORTED
    assert examine(small, admits_deflated=True).sop_instance_uid


def test_deflated_bomb_is_refused_where_deflated_files_are_admitted() -> None:
    with pytest.raises(ObjectRefused, match="inflates to more"):
        examine(bombs.deflated(40 * bombs.MIB), admits_deflated=True, largest=32 * bombs.MIB)


@pytest.mark.parametrize(
    "content",
    [b"", b"no DICOM", bytes(132), bytes(128) + b"DICM", encode(film())[:_META_LENGTH_AT]],
)
def test_what_is_no_file_is_refused(content: bytes) -> None:
    with pytest.raises(ObjectRefused) as refusal:
        examine(content)
    assert refusal.value.reason == CANNOT_UNDERSTAND


@given(strategies.integers(min_value=1, max_value=len(film().PixelData)))
def test_a_file_whose_pixels_are_cut_short_is_refused(missing: int) -> None:
    with pytest.raises(ObjectRefused, match="longer than what holds it"):
        examine(encode(film())[:-missing])


CHANGES = strategies.lists(
    strategies.tuples(strategies.integers(132, 1500), strategies.integers(0, 255)), max_size=8
)


@given(CHANGES)
def test_whatever_bytes_are_changed_it_answers_or_refuses(changes: list[tuple[int, int]]) -> None:
    content = bytearray(written(with_items(3, undefined=False), ImplicitVRLittleEndian))
    for at, value in changes:
        content[min(at, len(content) - 1)] = value
    assert outcome(bytes(content)) in {None, CANNOT_UNDERSTAND, SYNTAX_NOT_SUPPORTED}


@given(strategies.binary(max_size=400))
def test_whatever_follows_a_sound_head_it_answers_or_refuses(tail: bytes) -> None:
    assert outcome(encode(film()) + tail) in {None, CANNOT_UNDERSTAND}


def outcome(content: bytes) -> int | None:
    """Return the reason of a refusal, None where the file passes."""
    try:
        examine(content)
    except ObjectRefused as exc:
        return exc.reason
    return None


@given(strategies.integers(0, 6), strategies.booleans(), strategies.booleans())
def test_what_pydicom_writes_and_reads_passes(depth: int, undefined: bool, big: bool) -> None:
    syntax = ExplicitVRBigEndian if big else ExplicitVRLittleEndian
    content = written(with_items(depth, undefined=undefined), syntax)
    assert examine(content).sop_instance_uid == dcmread(BytesIO(content)).SOPInstanceUID
