import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from dicom_node.domain import RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import codestream, decode
from tests.images import LIMITS, film, gradient


def _refusal(ds: Dataset) -> PixelError:
    with pytest.raises(PixelError) as refused:
        decode.frame(ds, LIMITS)
    return refused.value


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_frame_native_gives_stored_values(dtype: type[np.generic]) -> None:
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    pixels = np.linspace(limits.min, limits.max, 32 * 24).reshape(32, 24).astype(dtype)
    assert np.array_equal(decode.frame(film(pixels), LIMITS), pixels.astype(np.int32))


@given(st.lists(st.integers(-2048, 2047), min_size=16, max_size=16), st.integers(0, 15))
def test_frame_bits_above_those_stored_are_ignored(values: list[int], overlay: int) -> None:
    stored = np.array(values, np.int32).reshape(4, 4)
    dirty = ((stored & 0x0FFF) | overlay << 12).astype(np.uint16)
    signed = film(dirty, BitsStored=12, HighBit=11, PixelRepresentation=1)
    assert np.array_equal(decode.frame(signed, LIMITS), stored)
    unsigned = film(dirty, BitsStored=12, HighBit=11)
    assert np.array_equal(decode.frame(unsigned, LIMITS), stored & 0x0FFF)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_frame_lossless_compression_gives_the_same(syntax: str) -> None:
    ds = film()
    expected = decode.frame(ds, LIMITS)
    ds.compress(syntax, generate_instance_uid=False)
    assert np.array_equal(decode.frame(ds, LIMITS), expected)


def test_frame_odd_length_is_read() -> None:
    pixels = np.arange(25, dtype=np.uint8).reshape(5, 5)
    assert np.array_equal(
        decode.frame(film(pixels, PixelData=pixels.tobytes() + b"\0"), LIMITS), pixels
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"PixelData": None}, RefusalCode.NO_PIXEL_DATA),
        ({"PixelData": b""}, RefusalCode.NO_PIXEL_DATA),
        ({"Rows": None}, RefusalCode.INCONSISTENT_HEADER),
        ({"Rows": 0}, RefusalCode.INCONSISTENT_HEADER),
        ({"BitsAllocated": 12}, RefusalCode.INCONSISTENT_HEADER),
        ({"BitsStored": 17}, RefusalCode.INCONSISTENT_HEADER),
        ({"PixelRepresentation": 2}, RefusalCode.INCONSISTENT_HEADER),
        ({"PhotometricInterpretation": "CMYK"}, RefusalCode.INCONSISTENT_HEADER),
        ({"SamplesPerPixel": 3}, RefusalCode.INCONSISTENT_HEADER),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, RefusalCode.SCREEN_CAPTURE),
        ({"NumberOfFrames": "2"}, RefusalCode.MULTIFRAME_NOT_SUPPORTED),
        ({"PixelData": b"\0" * 100}, RefusalCode.UNDECODABLE),
    ],
)
def test_frame_wrong_header_is_refused_by_name(changes: dict[str, Any], code: RefusalCode) -> None:
    assert _refusal(film(**changes)).code == code


def test_frame_huge_claim_is_refused_before_memory_is_taken() -> None:
    ds = film(Rows=65535, Columns=65535)
    tracemalloc.start()
    assert _refusal(ds).code == RefusalCode.IMAGE_TOO_LARGE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_frame_size_hidden_in_the_codestream_is_refused() -> None:
    ds = film(gradient(64, 64))
    ds.compress(JPEGLSLossless, generate_instance_uid=False)
    ds.Rows = 32
    assert _refusal(ds).code == RefusalCode.INCONSISTENT_HEADER


def test_frame_unknown_transfer_syntax_is_named() -> None:
    ds = film()
    ds.file_meta.TransferSyntaxUID = MPEG2MPML
    refused = _refusal(ds)
    assert refused.code == RefusalCode.TRANSFER_SYNTAX_NOT_SUPPORTED
    assert "MPEG2" in refused.reason


def test_frame_no_transfer_syntax_is_refused() -> None:
    ds = film()
    del ds.file_meta.TransferSyntaxUID
    assert _refusal(ds).code == RefusalCode.TRANSFER_SYNTAX_NOT_SUPPORTED


def test_frame_damaged_stream_is_undecodable() -> None:
    ds = film(gradient().astype(np.uint8), PixelData=encapsulate([b"\xff\xd8\xff\xd9" * 20]))
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    assert _refusal(ds).code == RefusalCode.UNDECODABLE


def _colour(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Dataset:
    return film(pixels, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)


def test_frame_greys_in_rgb_become_grey() -> None:
    grey = gradient().astype(np.uint8)
    assert np.array_equal(decode.frame(_colour(np.dstack([grey] * 3)), LIMITS), grey)


def test_frame_coloured_corner_is_a_screen_capture() -> None:
    pixels = np.dstack([gradient().astype(np.uint8)] * 3)
    pixels[:4, :4] = (255, 0, 0)
    assert _refusal(_colour(pixels)).code == RefusalCode.SCREEN_CAPTURE


_HEADER = b"\xff\xd8\xff\xe0\x00\x04ab"
_SOF1 = b"\xff\xc1\x00\x0b\x0c\x00\x20\x00\x18\x01\x00\x11\x00"
_SCAN = b"\xff\xda\x00\x08\x01\x01\x00"


def test_size_reads_the_frame_header() -> None:
    assert codestream.size(_HEADER + _SOF1) == codestream.Size(rows=32, columns=24)


def test_size_reads_the_part_of_the_j2k_grid_that_is_shown() -> None:
    grid = b"".join(value.to_bytes(4, "big") for value in (30, 40, 6, 8))
    frame = b"\xff\x4f\xff\x51\x00\x29\x00\x00" + grid
    assert codestream.size(frame) == codestream.Size(rows=32, columns=24)


@given(st.binary(max_size=300))
def test_size_of_anything_does_not_fail(frame: bytes) -> None:
    codestream.size(frame)
    codestream.size(b"\xff\xd8" + frame)
    codestream.size(b"\xff\x4f\xff\x51" + frame)
    assert len(codestream.repaired(b"\xff\xd8" + frame)) == len(frame) + 2


def test_repaired_scan_covers_all_coefficients() -> None:
    broken = _HEADER + _SOF1 + _SCAN + b"\x00\x00\x00" + b"entropy"
    assert codestream.repaired(broken) == _HEADER + _SOF1 + _SCAN + b"\x00\x3f\x00" + b"entropy"
    assert codestream.repaired(codestream.repaired(broken)) == codestream.repaired(broken)
