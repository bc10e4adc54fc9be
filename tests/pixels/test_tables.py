from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicom_node.domain import RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import cxr, tables
from dicom_node.pixels.load import parse
from tests.images import LIMITS, encoded, film, gradient, loaded


def _with_table(data: bytes, descriptor: list[int], sequence: str = "VOILUTSequence") -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "OW", data)
    return film(gradient(), **{sequence: [item], "BitsStored": 12, "HighBit": 11})


_RAMP = (np.arange(4096) // 16).astype(np.uint8)


@pytest.mark.parametrize("width", [1, 2])
def test_applied_entries_of_8_bits_in_both_packings(width: int) -> None:
    data = _RAMP.tobytes() if width == 1 else _RAMP.astype("<u2").tobytes()
    ds = parse(encoded(_with_table(data, [4096, 0, 8])))
    stored = gradient().astype(np.int32)
    assert np.array_equal(tables.applied(stored, ds, "VOILUTSequence"), stored // 16)
    sample = cxr.film(loaded(ds), LIMITS)
    assert np.ptp(sample.pixels) == 1


@given(st.integers(8, 16), st.integers(-100, 100), st.integers(2, 300))
def test_applied_is_the_table_with_its_ends(bits: int, first: int, count: int) -> None:
    table = np.random.default_rng(count).integers(0, 1 << bits, count)
    ds = Dataset()
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [count, first, bits])
    item.add_new("LUTData", "US", [int(one) for one in table])
    ds.VOILUTSequence = [item]
    values = np.arange(-200, 600, dtype=np.int32)
    expected = table[np.clip(values - first, 0, count - 1)]
    assert np.array_equal(tables.applied(values, ds, "VOILUTSequence"), expected)


@pytest.mark.parametrize("count", [0, -32768])
def test_applied_number_of_entries_that_16_bits_do_not_hold(count: int) -> None:
    whole = 65536 if count == 0 else 32768
    ds = Dataset()
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [count, 0, 16])
    item.add_new("LUTData", "OW", np.arange(whole, dtype="<u2").tobytes())
    ds.ModalityLUTSequence = [item]
    values = np.array([0, 1, whole - 1], np.int32)
    assert np.array_equal(tables.applied(values, ds, "ModalityLUTSequence"), values)


_BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"descriptor": [4096, 0, 12], "data": b"\0" * 100}, "LUTData"),
    ({"descriptor": [4096, 0, 4], "data": b"\0" * 8192}, "LUTDescriptor"),
    ({"descriptor": [4096, 0], "data": b"\0" * 8192}, "LUTDescriptor"),
]


@pytest.mark.parametrize(("table", "named"), _BROKEN)
def test_film_broken_voi_table_gives_way_to_the_window(table: dict[str, Any], named: str) -> None:
    broken = _with_table(table["data"], table["descriptor"])
    plain = cxr.film(loaded(film(gradient(), BitsStored=12, HighBit=11)), LIMITS)
    assert np.array_equal(cxr.film(loaded(broken), LIMITS).pixels, plain.pixels)
    modality = _with_table(table["data"], table["descriptor"], "ModalityLUTSequence")
    with pytest.raises(PixelError, match=named) as refused:
        cxr.film(loaded(modality), LIMITS)
    assert refused.value.code == RefusalCode.INCONSISTENT_HEADER
