from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.contiguity import SAME_PLACE_MM, contiguity

_spacings = st.floats(0.5, 10)
_counts = st.integers(12, 80)


@given(st.lists(st.floats(-1000, 1000), max_size=40), st.randoms())
def test_contiguity_any_order_is_the_same(positions: list[float], chance: object) -> None:
    shuffled = list(positions)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert contiguity(shuffled) == contiguity(positions)


@given(st.floats(-500, 500), _spacings, _counts)
def test_contiguity_even_series_is_contiguous(first: float, spacing: float, count: int) -> None:
    found = contiguity(first + spacing * index for index in range(count))
    assert found.is_contiguous
    assert found.spacing_mm == pytest.approx(spacing)
    assert len(found.positions_mm) == count


@given(_spacings, _counts, st.data())
def test_contiguity_missing_slices_are_counted(
    spacing: float, count: int, data: st.DataObject
) -> None:
    # Less than a third missing, or the usual step would no longer be the true one.
    missing = data.draw(st.sets(st.integers(1, count - 2), min_size=1, max_size=count // 4))
    found = contiguity(spacing * index for index in range(count) if index not in missing)
    assert found.gaps == len(missing)
    assert not found.is_contiguous
    assert found.spacing_mm == pytest.approx(spacing)


@given(_spacings, _counts, st.randoms())
def test_contiguity_jitter_of_a_tenth_is_no_gap(spacing: float, count: int, chance: object) -> None:
    jitter = [chance.uniform(-0.1, 0.1) * spacing for _ in range(count)]  # type: ignore[attr-defined]
    found = contiguity(spacing * index + jitter[index] for index in range(count))
    assert found.gaps == 0


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=30), st.integers(1, 4))
def test_contiguity_repeated_positions_are_counted_not_gaps(
    places: list[float], times: int
) -> None:
    once, often = contiguity(places), contiguity(places * times)
    assert often.positions_mm == once.positions_mm
    assert often.gaps == once.gaps
    assert often.repeated == len(places) * times - len(once.positions_mm)


@given(st.lists(st.floats(-1000, 1000), max_size=30))
def test_contiguity_positions_ascend_and_lie_apart(positions: list[float]) -> None:
    found = contiguity(positions).positions_mm
    assert all(upper - lower > SAME_PLACE_MM for lower, upper in pairwise(found))


def test_contiguity_thinned_series_of_an_archive_is_contiguous() -> None:
    steps = [0, 6, 14, 20, 26, 34, 40, 48, 54, 60, 68]
    assert contiguity(steps).is_contiguous


def test_contiguity_hole_is_located() -> None:
    found = contiguity([0, 5, 10, 25, 30])
    assert (found.gaps, found.gaps_near_mm) == (2, (17.5,))


@pytest.mark.parametrize("positions", [[], [3.0]])
def test_contiguity_fewer_than_two_has_no_spacing(positions: list[float]) -> None:
    found = contiguity(positions)
    assert (found.spacing_mm, found.gaps, found.is_contiguous) == (None, 0, False)


def test_contiguity_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        contiguity([1.0, float("nan")])
