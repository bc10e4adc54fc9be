"""Lungs by morphology, and the series rule."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.domain import Box
from models import golden, lungs
from models.ct_mobilenet import series

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
