"""Lungs by morphology, and the series rule."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.domain import Box, Sample
from models import golden, lungs
from models.ct_lite import series

probabilities = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60)


def test_find_sees_both_lungs_of_the_golden_series() -> None:
    found = lungs.find(golden.series())

    assert len(found.slices(series.LEAST_SHARE)) == len(golden.series().pixels)
    assert 15 < found.width_cm < 35


def test_find_in_water_sees_no_lung() -> None:
    water = replace(golden.series(), pixels=np.zeros((4, 64, 64), dtype=np.float32))

    found = lungs.find(water)

    assert len(found.slices(series.LEAST_SHARE)) == 0
    assert found.box(0, 0.04) == Box(0, 0, 64, 64)


def test_find_in_air_sees_no_lung() -> None:
    air = replace(golden.series(), pixels=np.full((4, 64, 64), -1000.0, dtype=np.float32))

    assert len(lungs.find(air).slices(series.LEAST_SHARE)) == 0


def _with_stomach(hounsfield: float) -> Sample:
    """Return the golden series with a bubble before the spine on its lowest slices."""
    sample = golden.series()
    pixels = sample.pixels.copy()
    y, x = np.mgrid[0:160, 0:160]
    pixels[:4, (x - 80) ** 2 + (y - 45) ** 2 < 81] = hounsfield
    return replace(sample, pixels=pixels)


def test_find_leaves_gas_out_of_the_lungs() -> None:
    clean, gas = lungs.find(golden.series()), lungs.find(_with_stomach(-1000.0))

    np.testing.assert_array_equal(gas.mask, clean.mask)


def test_find_keeps_a_pocket_as_dense_as_lung() -> None:
    clean, lung = lungs.find(golden.series()), lungs.find(_with_stomach(-850.0))

    assert lung.area_cm2[0] > clean.area_cm2[0]


def test_find_keeps_lungs_that_are_nearly_air() -> None:
    sample = golden.series()
    air = sample.pixels < lungs.AIR_HU
    inside = air & (sample.pixels > -990.0)
    emphysema = replace(sample, pixels=np.where(inside, np.float32(-955.0), sample.pixels))

    assert len(lungs.find(emphysema).slices(series.LEAST_SHARE)) == len(sample.pixels)


def test_hull_is_convex_and_holds_the_mask() -> None:
    mask = np.zeros((40, 50), dtype=bool)
    mask[5:35, 5:10] = mask[5:10, 5:45] = True

    whole = lungs.hull(mask)

    assert (whole | mask).sum() == whole.sum()
    assert whole[15, 15]
    assert not whole[34, 44]


def test_hull_of_a_line_is_the_line() -> None:
    mask = np.zeros((10, 10), dtype=bool)
    mask[3, 2:8] = True

    np.testing.assert_array_equal(lungs.hull(mask), mask)


def test_box_surrounds_the_lungs_and_stays_inside() -> None:
    sample = golden.series()
    found = lungs.find(sample)

    box = found.box(7, 0.04)

    rows, columns = sample.pixels.shape[1:]
    assert 0 <= box.left < 30
    assert 130 < box.right <= columns
    assert 0 <= box.top < box.bottom <= rows


@given(probabilities)
def test_series_probability_lies_between_least_and_most(values: list[float]) -> None:
    slices = np.array(values, dtype=np.float32)

    assert slices.min() - 1e-6 <= series.probability(slices) <= slices.max() + 1e-6


@given(probabilities, st.integers(0, 59), st.floats(0, 1, width=32))
def test_series_probability_never_falls_when_a_slice_rises(
    values: list[float], at: int, rise: float
) -> None:
    slices = np.array(values, dtype=np.float32)
    raised = slices.copy()
    raised[at % len(slices)] = max(raised[at % len(slices)], rise)

    assert series.probability(raised) >= series.probability(slices) - 1e-6


@given(st.integers(1, 500), st.integers(2, 80))
def test_spread_keeps_ends_order_and_limit(count: int, most: int) -> None:
    chosen = series.spread(np.arange(count), most)

    assert len(chosen) == min(count, most)
    assert chosen[0] == 0
    assert chosen[-1] == count - 1
    assert bool((np.diff(chosen) > 0).all())
