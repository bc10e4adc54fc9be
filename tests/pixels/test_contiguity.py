from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dicom_node.contiguity import SAME_PLACE_MM, contiguity, without_strays

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
    # Eight wide steps in a row are a protocol, not eight losses.
    assume(not any(set(range(n, n + 14, 2)) <= missing for n in missing))
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


_protocols = st.lists(st.tuples(st.floats(0.5, 15), st.integers(8, 30)), min_size=1, max_size=4)


def _made(protocols: list[tuple[float, int]], first: float = -300.0) -> list[float]:
    places = [first]
    for spacing, count in protocols:
        places += [places[-1] + spacing * (index + 1) for index in range(count)]
    return places


@given(_protocols)
@example([(1.0, 8), (1.0, 8), (4.0, 8), (6.0, 8)])
def test_contiguity_spacing_that_changes_on_the_way_is_no_gap(
    protocols: list[tuple[float, int]],
) -> None:
    found = contiguity(_made(protocols))
    assert (found.gaps, found.gaps_near_mm) == (0, ())
    spacings = [spacing for spacing, _ in protocols]
    if len(spacings) == 2 and max(spacings) >= 1.7 * min(spacings):
        assert found.changes_spacing


@given(st.floats(0.5, 3), st.floats(1.7, 5), st.integers(8, 30), st.data())
def test_contiguity_slice_missing_between_changing_spacings_is_found(
    narrow: float, times: float, count: int, data: st.DataObject
) -> None:
    places = _made([(narrow, count), (narrow * times, 2 * count)])
    lost = data.draw(st.integers(count + 10, len(places) - 10)) if count >= 10 else count + 12
    found = contiguity(place for index, place in enumerate(places) if index != lost)
    assert found.gaps == 1
    assert found.gaps_near_mm[0] == pytest.approx(places[lost], abs=narrow * times / 2)


def test_contiguity_head_then_trunk_is_told_by_its_steps() -> None:
    found = contiguity(_made([(6.0, 12), (15.0, 11)]))
    assert (found.narrowest_mm, found.widest_mm, found.is_contiguous) == (6.0, 15.0, True)


def test_contiguity_even_series_does_not_change_its_spacing() -> None:
    assert not contiguity(range(0, 100, 5)).changes_spacing
    assert not contiguity([0, 5, 10, 25, 30]).changes_spacing


@given(st.floats(0.5, 10), st.integers(20, 80), st.floats(2000, 1e6), st.sampled_from([-1, 1]))
def test_without_strays_one_absurd_position_goes(
    spacing: float, count: int, far: float, side: int
) -> None:
    sound = [spacing * index for index in range(count)]
    assert without_strays([side * far, *sound]) == tuple(sound)


@given(_protocols, st.randoms())
def test_without_strays_sound_series_stays(
    protocols: list[tuple[float, int]], chance: object
) -> None:
    places = _made(protocols)
    shuffled = list(places)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert without_strays(shuffled) == tuple(places)


def test_without_strays_half_of_a_series_is_no_stray() -> None:
    halves = [*range(0, 50, 5), *range(900, 950, 5)]
    assert without_strays(halves) == tuple(halves)
