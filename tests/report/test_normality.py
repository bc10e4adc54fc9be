"""When a study is normal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node import codes
from dicom_node.domain import Finding, Presence
from dicom_node.report import normality
from tests import builders

IMAGE = builders.Film().build()
ABSENT, PRESENT, UNSURE = Presence.ABSENT, Presence.PRESENT, Presence.UNDETERMINED


def reading(*presences: Presence) -> tuple[Finding, ...]:
    return builders.findings(IMAGE, (0.5,) * 4, presences)


@pytest.mark.parametrize(
    ("presences", "expected"),
    [
        ((PRESENT, ABSENT, ABSENT, ABSENT), codes.NORMAL),
        ((ABSENT, ABSENT, ABSENT, PRESENT), codes.ABNORMAL),
        ((PRESENT, ABSENT, ABSENT, PRESENT), codes.ABNORMAL),
        ((PRESENT, ABSENT, UNSURE, ABSENT), codes.UNDETERMINED_NORMALITY),
        ((UNSURE, ABSENT, ABSENT, ABSENT), codes.UNDETERMINED_NORMALITY),
        ((ABSENT, ABSENT, ABSENT, ABSENT), codes.UNDETERMINED_NORMALITY),
        ((UNSURE, UNSURE, UNSURE, UNSURE), codes.UNDETERMINED_NORMALITY),
    ],
)
def test_of_reading_is_as_stated(presences: tuple[Presence, ...], expected: codes.Code) -> None:
    assert normality.of(reading(*presences)) == expected


def test_of_a_model_without_a_normal_class_is_never_normal() -> None:
    assert normality.of(reading(PRESENT, ABSENT, ABSENT, ABSENT)[1:]) == (
        codes.UNDETERMINED_NORMALITY
    )


def test_of_nothing_is_undetermined() -> None:
    assert normality.of(()) == codes.UNDETERMINED_NORMALITY


@given(st.tuples(*[st.sampled_from(Presence)] * 4))
def test_of_any_reading_is_safe(presences: tuple[Presence, ...]) -> None:
    found = reading(*presences)
    verdict = normality.of(found)

    assert verdict == normality.of(tuple(reversed(found))), "the order does not matter"
    assert (verdict == codes.ABNORMAL) == (PRESENT in presences[1:])
    if verdict == codes.NORMAL:
        assert presences == (PRESENT, ABSENT, ABSENT, ABSENT)
