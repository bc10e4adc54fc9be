"""Damaged and hostile files end in a refusal, whatever is damaged."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_node.domain import RefusalCode, StudyKind
from dicom_node.errors import PixelError, StudyRefused
from dicom_node.pixels import cxr, decode, digest, load, select
from tests.images import LIMITS, axial, encoded, film, loaded

_FILM, _SLICE = encoded(film()), encoded(axial(3.0))


def test_parse_sound_file_gives_its_pixels() -> None:
    assert load.parse(_FILM).PixelData == film().PixelData


@pytest.mark.parametrize("content", [b"", b"DICM", b"<html></html>" * 50, _FILM[128 + 4 :]])
def test_parse_other_file_is_undecodable(content: bytes) -> None:
    with pytest.raises(PixelError) as refused:
        load.parse(content)
    assert refused.value.code == RefusalCode.UNDECODABLE


def test_parse_deep_nesting_is_undecodable() -> None:
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    sequence = b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff"
    with pytest.raises(PixelError) as refused:
        load.parse(_FILM + (sequence + item) * 20_000)
    assert refused.value.code == RefusalCode.UNDECODABLE


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["film", "slice"]),
    st.lists(st.tuples(st.integers(128, 1400), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 200),
)
def test_select_damaged_file_is_read_or_refused(
    which: str, flips: list[tuple[int, int]], cut: int
) -> None:
    sound = {"film": _FILM, "slice": _SLICE}[which]
    damaged = bytearray(sound[: len(sound) - cut])
    for at, value in flips:
        damaged[at % len(damaged)] = value
    for kind in StudyKind:
        outcome = _read(kind, bytes(damaged))
        assert isinstance(outcome, select.Selection) or outcome in RefusalCode.__members__


def _read(kind: StudyKind, content: bytes) -> select.Selection | str:
    try:
        one = loaded(load.parse(content))
        digest.pixel_digest(one.dataset)
        return select.select(kind, [one], LIMITS)
    except StudyRefused as exc:
        return exc.code


def test_parse_damaged_deflated_file_is_undecodable() -> None:
    ds = film()
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    whole = encoded(ds)
    assert load.parse(whole).Rows == ds.Rows
    with pytest.raises(PixelError):
        load.parse(whole[:400] + b"\x00" * 60)


def test_film_odd_uid_and_name_is_still_read() -> None:
    ds = film()
    ds.add_new("StudyInstanceUID", "UI", "1355759b-7653-424e")
    assert cxr.film(loaded(load.parse(encoded(ds))), LIMITS).pixels.shape == (32, 24)


def test_refer_empty_data_set_has_empty_uids() -> None:
    ref = load.refer(Dataset())
    assert (ref.sop_instance_uid, ref.sop_class_uid, ref.series_instance_uid) == ("", "", "")


def test_digest_broken_table_is_refused() -> None:
    ds = film(VOILUTSequence=Sequence([Dataset()]))
    assert digest.pixel_digest(ds) != digest.pixel_digest(film())
    with pytest.raises(PixelError):
        decode.check(film(Rows=None), LIMITS)


def test_empty_text_of_a_vr_that_there_is_not_does_not_matter() -> None:
    ds = film()
    ds.ReferringPhysicianName = ""
    head = bytes.fromhex("08009000") + b"PN"
    content = encoded(ds)
    assert content.count(head) == 1
    load.parse(content.replace(head, head[:-2] + b"PJ"))


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsStored"])
def test_size_with_two_values_is_refused(keyword: str) -> None:
    ds = film()
    ds[keyword].value = [ds[keyword].value, 7]
    with pytest.raises(StudyRefused) as refused:
        select.select(StudyKind.CXR, [loaded(load.parse(encoded(ds)))], LIMITS)
    assert refused.value.code == RefusalCode.INCONSISTENT_HEADER
