"""The same pixels whatever the transfer syntax, sign, width, High Bit and overlay, as dcmtk."""

import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dicom_node.pixels import decode
from dicom_node.pixels.load import parse
from tests.dcmtk import dcmtk
from tests.images import LIMITS, encoded, film

_WIDTHS = ((8, 8), (10, 16), (12, 16), (16, 16))
"""Bits Stored and Bits Allocated."""
_CASES = [
    (signed, stored, allocated, high, overlay)
    for signed, (stored, allocated), high, overlay in product(
        (False, True), _WIDTHS, (False, True), (False, True)
    )
    if (allocated > stored or not (high or overlay))
]
_DCMTK = {
    "dcmcjpls": "dcmdjpls", "dcmcjpeg": "dcmdjpeg", "dcmcrle": "dcmdrle",
}  # fmt: skip


def _values(stored: int, signed: bool) -> NDArray[np.int32]:
    low = -(1 << stored - 1) if signed else 0
    ramp = np.linspace(low, low + (1 << stored) - 1, 64 * 48).astype(np.int32)
    return ramp.reshape(64, 48)


def _image(signed: bool, stored: int, allocated: int, high: bool, overlay: bool) -> Dataset:
    """Lay the values into their bits, and noise into those that are not theirs."""
    shift = allocated - stored if high else 0
    words = (_values(stored, signed) & ((1 << stored) - 1)) << shift
    if overlay:
        unused = ((1 << allocated) - 1) & ~(((1 << stored) - 1) << shift)
        noise = np.random.default_rng(4).integers(0, 1 << allocated, words.shape)
        words |= noise & unused
    pixels = words.astype(np.uint8 if allocated == 8 else np.uint16)
    changes: dict[str, Any] = {
        "BitsStored": stored, "HighBit": stored - 1 + shift, "PixelRepresentation": int(signed),
    }  # fmt: skip
    return film(pixels, **changes)


@pytest.mark.parametrize("case", _CASES)
def test_frame_native_and_run_lengths_give_the_values(case: Any) -> None:
    expected = _values(case[1], case[0])
    ds = _image(*case)
    assert np.array_equal(decode.frame(ds, LIMITS), expected)
    ds.compress(RLELossless, generate_instance_uid=False)
    assert np.array_equal(decode.frame(ds, LIMITS), expected)


@pytest.mark.parametrize("encoder", sorted(_DCMTK))
@pytest.mark.parametrize("case", _CASES)
def test_frame_dcmtk_compressed_gives_what_dcmtk_decompresses(
    case: Any, encoder: str, tmp_path: Path
) -> None:
    native, packed, unpacked = (tmp_path / name for name in ("native", "packed", "unpacked"))
    native.write_bytes(encoded(_image(*case)))
    command = [dcmtk(encoder), str(native), str(packed)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if done.returncode:  # dcmtk's own encoder does not take this combination
        assert encoder != "dcmcrle"
        return
    subprocess.run([dcmtk(_DCMTK[encoder]), str(packed), str(unpacked)], check=True, timeout=60)
    ours = decode.frame(parse(packed.read_bytes()), LIMITS)
    assert np.array_equal(ours, decode.frame(parse(unpacked.read_bytes()), LIMITS))
    assert np.array_equal(ours, _values(case[1], case[0]))


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("case", _CASES)
def test_frame_coded_at_full_width_gives_the_values(case: Any, syntax: str) -> None:
    """An encoder that keeps all allocated bits keeps overlays and unused bits, too."""
    signed, stored, allocated, _, _ = case
    whole = _image(*case)
    described = {word: whole[word].value for word in ("BitsStored", "HighBit")}
    whole.BitsStored, whole.HighBit, whole.PixelRepresentation = allocated, allocated - 1, 0
    whole.compress(syntax, generate_instance_uid=False)
    whole.BitsStored, whole.HighBit = described["BitsStored"], described["HighBit"]
    whole.PixelRepresentation = int(signed)
    assert np.array_equal(decode.frame(whole, LIMITS), _values(stored, signed))


@pytest.mark.parametrize("high", [0, 5, 99, None, "x"])
def test_frame_careless_high_bit_changes_nothing(high: Any) -> None:
    ds = _image(False, 12, 16, False, False)
    if high is None:
        del ds.HighBit
    elif isinstance(high, int):
        ds.HighBit = high
    else:
        ds.add_new("HighBit", "LO", high)
    assert np.array_equal(decode.frame(ds, LIMITS), _values(12, False))
