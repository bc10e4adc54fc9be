"""When a study is complete: the rules, on listings alone."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from dicom_node import policy
from dicom_node.domain import SeriesRef, StudyKind
from dicom_node.intake.completeness import ready_at
from dicom_node.intake.eligibility import Eligible
from tests.listings import series

POLICY = policy.load()
RULE = POLICY.completeness
STACK = [5.0 * i for i in range(40)]


def wait_s(kind: StudyKind, *listed: SeriesRef) -> float:
    last = max(s.last_update for s in listed if s.last_update)
    return (ready_at(Eligible(kind, tuple(listed)), POLICY) - last).total_seconds()


def test_ready_at_film_is_ready_when_quiet() -> None:
    assert wait_s(StudyKind.CXR, series("film", "CR", quiet_s=0)) == RULE.cxr_quiet_s


def test_ready_at_contiguous_stack_waits_for_the_quiet_time() -> None:
    stack = series("stack", "CT", slices=40, positions_mm=STACK)
    assert wait_s(StudyKind.CT, stack) == RULE.ct_quiet_s


def test_ready_at_stack_with_a_hole_waits_for_the_deadline() -> None:
    holed = series("holed", "CT", slices=39, positions_mm=[*STACK[:17], *STACK[18:]])
    assert wait_s(StudyKind.CT, holed) == RULE.ct_deadline_s


def test_ready_at_scout_alone_waits_for_the_deadline() -> None:
    scout = series("scout", "CT", slices=1, positions_mm=[0.0])
    assert wait_s(StudyKind.CT, scout) == RULE.ct_deadline_s


def test_ready_at_scout_beside_a_whole_stack_does_not_hold_it_up() -> None:
    stack = series("stack", "CT", slices=40, positions_mm=STACK)
    assert wait_s(StudyKind.CT, stack, series("scout", "CT")) == RULE.ct_quiet_s


@given(st.integers(1, 38), st.permutations(STACK))
def test_ready_at_does_not_depend_on_the_order_of_arrival(
    missing: int, arrived: list[float]
) -> None:
    whole = series("a", "CT", slices=40, positions_mm=arrived)
    holed = series("b", "CT", slices=39, positions_mm=[z for z in arrived if z != STACK[missing]])
    assert wait_s(StudyKind.CT, whole) == RULE.ct_quiet_s
    assert wait_s(StudyKind.CT, holed) == RULE.ct_deadline_s


@given(st.floats(0, 100_000), st.floats(0, 100_000))
def test_ready_at_later_images_never_make_a_study_ready_earlier(one: float, two: float) -> None:
    older, newer = sorted([one, two], reverse=True)
    first = Eligible(StudyKind.CXR, (series("film", "CR", quiet_s=older),))
    second = Eligible(StudyKind.CXR, (series("film", "CR", quiet_s=newer),))
    slack = timedelta(seconds=1)  # both listings read the clock
    assert ready_at(first, POLICY) <= ready_at(second, POLICY) + slack
    assert ready_at(first, POLICY) < datetime.now(UTC) + timedelta(seconds=RULE.cxr_quiet_s) + slack


def test_ready_at_contrast_watched_at_one_place_does_not_hold_a_stack_up() -> None:
    stack = series("stack", "CT", slices=40, positions_mm=STACK)
    watched = series("watched", "CT", slices=20, positions_mm=[-60.0, -55.0] * 10)
    assert wait_s(StudyKind.CT, stack, watched) == RULE.ct_quiet_s


def test_ready_at_spacing_that_changes_does_not_hold_a_stack_up() -> None:
    trunk = [*(6.0 * i for i in range(13)), *(72 + 15.0 * i for i in range(1, 12))]
    assert wait_s(StudyKind.CT, series("a", "CT", slices=24, positions_mm=trunk)) == (
        RULE.ct_quiet_s
    )


def test_ready_at_one_absurd_position_does_not_hold_a_stack_up() -> None:
    astray = series("stack", "CT", slices=41, positions_mm=[*STACK, 99_999.0])
    assert wait_s(StudyKind.CT, astray) == RULE.ct_quiet_s
