"""The share of hazy lung, on drawn series and on the real volumes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dicom_node.domain import Geometry, Sample
from models import golden, haze, lungs
from models.haze import Haze
from models.training import volumes

_LEAST_SHARE = 0.10
_CLEAR_HU = -860.0


def _measured(sample: Sample) -> Haze | None:
    found = lungs.find(sample)
    return haze.measure(sample, found, found.slices(_LEAST_SHARE))


def _clear() -> Sample:
    """Return the golden series with nothing in its lungs."""
    sample = golden.series()
    lung = sample.pixels < lungs.AIR_HU
    inside = lung & (sample.pixels > lungs.GAS_HU)
    return replace(sample, pixels=np.where(inside, np.float32(_CLEAR_HU), sample.pixels))


def _with_patch(width: int, hounsfield: float, slices: slice = slice(None)) -> Sample:
    """Return the clear series with a square patch in the middle of one lung."""
    sample = _clear()
    pixels = sample.pixels.copy()
    centre = np.array([80, 46])
    top, left = centre - width // 2
    pixels[slices, top : top + width, left : left + width] = hounsfield
    return replace(sample, pixels=pixels)


def test_measure_of_clear_lungs_is_nothing() -> None:
    found = _measured(_clear())

    assert found is not None
    assert found.share < 0.005
    assert found.slices == len(golden.series().pixels)


def test_measure_finds_a_patch_and_the_slice_that_shows_it() -> None:
    found = _measured(_with_patch(12, -450.0, slice(6, 8)))

    assert found is not None
    assert found.share > 0.005
    assert found.index in {6, 7}
    assert 38 <= found.box.left < found.box.right <= 54
    assert 72 <= found.box.top < found.box.bottom <= 88


def test_measure_grows_with_the_patch() -> None:
    shares = [found.share for w in (6, 12, 18) if (found := _measured(_with_patch(w, -450.0)))]

    assert shares == sorted(shares)
    assert shares[0] < shares[2] / 4


@pytest.mark.parametrize("hounsfield", [-800.0, -100.0, 40.0])
def test_measure_counts_neither_lung_nor_consolidation(hounsfield: float) -> None:
    patch, clear = _measured(_with_patch(12, hounsfield)), _measured(_clear())

    assert patch is not None
    assert clear is not None
    assert patch.share < clear.share + 0.002


def test_measure_counts_no_strip_as_narrow_as_a_vessel() -> None:
    sample = _clear()
    sample.pixels[:, 60:100, 46:48] = -450.0

    found = _measured(sample)

    assert found is not None
    assert found.share < 0.005


def test_measure_weighs_slices_by_the_length_that_they_stand_for() -> None:
    even = _with_patch(12, -450.0, slice(0, 1))
    uneven = replace(even, geometry=replace(even.geometry, positions_mm=_far_first(even)))

    found = [_measured(one) for one in (even, uneven)]

    assert all(one is not None for one in found)
    assert [one.share for one in found if one] == sorted(one.share for one in found if one)


def _far_first(sample: Sample) -> tuple[float, ...]:
    return (-200.0, *sample.geometry.positions_mm[1:])


def test_measure_without_spacing_is_declined() -> None:
    assert _measured(replace(golden.series(), geometry=Geometry())) is None


def test_measure_of_few_slices_is_declined() -> None:
    sample = golden.series()
    found = lungs.find(sample)

    assert haze.measure(sample, found, found.slices(_LEAST_SHARE)[: haze.LEAST_SLICES - 1]) is None


def test_measure_of_lungs_dense_throughout_is_declined() -> None:
    sample = _clear()
    inside = sample.pixels == np.float32(_CLEAR_HU)
    dense = replace(sample, pixels=np.where(inside, np.float32(-600.0), sample.pixels))

    assert _measured(dense) is None


@pytest.mark.data
def test_measure_ranks_normal_lungs_below_ill_ones(data_dir: Path) -> None:
    share = {}
    for name in volumes.names(data_dir):
        found = _measured(volumes.read(data_dir, name).sample)
        assert found is not None
        share[name] = found.share

    well = [share[name] for name in share if name.startswith("normal")]
    ill = [share[name] for name in share if not name.startswith("normal")]
    assert max(well) < 0.003 < min(ill)
