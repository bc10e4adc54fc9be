"""Agreement of two models over the same studies."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.domain import (
    Assessment,
    ModelIdentity,
    Opinion,
    Presence,
    Priority,
    ReadingPair,
    ShadowReading,
    ShadowState,
    Statement,
    StudyKind,
)
from models.agreement import Assessed, agreements, kappa, top

SERVED = ModelIdentity("served", "1", "aa" * 32)
SHADOW = ModelIdentity("shadow", "1", "bb" * 32)
PRESENT, ABSENT, UNDETERMINED = Presence.PRESENT, Presence.ABSENT, Presence.UNDETERMINED


def said(**labels: float) -> tuple[Statement, ...]:
    return tuple(Statement(name, p, 0.5, presence(p)) for name, p in labels.items())


def presence(probability: float) -> Presence:
    if probability >= 0.6:
        return PRESENT
    return ABSENT if probability < 0.4 else UNDETERMINED


def pair(
    served: tuple[Statement, ...], shadow: tuple[Statement, ...], uid: str = "1.2.3"
) -> ReadingPair:
    reading = ShadowReading(SHADOW, ShadowState.READ, shadow, Priority.LOW, 10.0)
    opinion = Opinion(SERVED, served, Priority.STAT)
    return ReadingPair(uid, f"run of {uid}", StudyKind.CXR, opinion, reading)


def failed(error: str) -> ReadingPair:
    reading = ShadowReading(SHADOW, ShadowState.FAILED, error=error)
    return replace(pair((), ()), shadow=reading)


def judged(one: ReadingPair, verdict: str, finding: str | None = None) -> ReadingPair:
    told = Assessment(verdict, finding, "", "reader", "2.25.1", datetime(2026, 3, 1, tzinfo=UTC))
    return replace(one, assessment=told)


def test_nothing_read_is_nothing_to_compare() -> None:
    assert agreements(()) == ()


def test_figures_are_those_worked_out_by_hand() -> None:
    pairs = [
        pair(said(normal=0.1, covid19=0.9), said(normal=0.2, covid19=0.8), "1.1"),
        pair(said(normal=0.8, covid19=0.2), said(normal=0.3, covid19=0.7), "1.2"),
        pair(said(normal=0.7, covid19=0.3), said(normal=0.7, covid19=0.3), "1.3"),
        pair(said(normal=0.9, covid19=0.1), said(normal=0.5, covid19=0.5), "1.4"),
    ]
    (found,) = agreements(pairs)

    assert (found.served, found.shadow, found.n) == (SERVED, SHADOW, 4)
    assert found.top is not None
    assert (found.top.count, found.top.n, found.top.value) == (3, 4, 0.75)
    assert 0.30 < found.top.low < 0.31  # Wilson, 3 of 4
    assert 0.95 < found.top.high < 0.96
    assert found.top_kappa == pytest.approx(0.5)  # observed 0.75, by chance 0.5
    assert found.priority is not None
    assert found.priority.count == 0
    covid19 = next(f for f in found.findings if f.label == "covid19")
    assert covid19.presence.count == 2
    assert covid19.mean_absolute_difference == pytest.approx((0.1 + 0.5 + 0.0 + 0.4) / 4)
    assert covid19.correlation == pytest.approx(0.1375 / (0.3875 * 0.1475) ** 0.5)
    assert [d.study_instance_uid for d in found.largest] == ["1.2", "1.4", "1.1", "1.3"]
    assert (found.largest[0].served, found.largest[0].shadow) in {(0.8, 0.3), (0.2, 0.7)}
    assert (found.median_ms, found.p95_ms) == (10.0, 10.0)


def test_failures_are_counted_by_reason_and_compared_with_nothing() -> None:
    started = replace(pair((), ()), shadow=ShadowReading(SHADOW, ShadowState.STARTED))
    (found,) = agreements([failed("a"), failed("b"), failed("a"), started])

    assert (found.n, found.failed, found.not_ended) == (0, {"a": 2, "b": 1}, 1)
    assert (found.top, found.priority, found.median_ms, found.findings) == (None, None, None, ())


def test_other_weights_are_compared_apart() -> None:
    one = pair(said(covid19=0.9), said(covid19=0.1))
    newer = replace(one, shadow=replace(one.shadow, model=replace(SHADOW, version="2")))
    ct = replace(one, kind=StudyKind.CT)

    assert [(a.kind, a.shadow.version, a.n) for a in agreements([one, newer, ct, one])] == [
        (StudyKind.CXR, "1", 2),
        (StudyKind.CXR, "2", 1),
        (StudyKind.CT, "1", 1),
    ]


def test_labels_that_one_model_lacks_are_left_out() -> None:
    (found,) = agreements([pair(said(normal=0.4, covid19=0.6), said(covid19=0.7, other=0.3))])

    assert [f.label for f in found.findings] == ["covid19"]
    assert found.largest[0].label == "covid19"


def test_top_of_one_label_alone_is_its_presence() -> None:
    assert top(said(covid19=0.3)) == "covid19 absent"
    assert top(said(covid19=0.7)) == "covid19 present"
    assert top(said(normal=0.3, covid19=0.2)) == "normal"


def test_figures_that_the_studies_do_not_allow_are_none() -> None:
    (found,) = agreements([pair(said(covid19=0.9), said(covid19=0.9))])

    assert found.top_kappa is None
    assert found.findings[0].kappa is None
    assert found.findings[0].correlation is None


PROBABILITIES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8)


@given(PROBABILITIES)
def test_a_model_agrees_with_itself(values: list[tuple[float, float]]) -> None:
    pairs = [pair(s := said(normal=a, covid19=b), s, f"1.{i}") for i, (a, b) in enumerate(values)]
    (found,) = agreements(pairs)

    assert found.top is not None
    assert found.top.count == found.n == len(values)
    assert found.top_kappa in {None, 1.0}
    for finding in found.findings:
        assert finding.mean_absolute_difference == 0
        assert finding.presence.value == 1
    assert all(d.served == d.shadow for d in found.largest)


@given(PROBABILITIES)
def test_agreement_is_the_same_from_either_side(values: list[tuple[float, float]]) -> None:
    pairs = [pair(said(covid19=a), said(covid19=b), f"1.{i}") for i, (a, b) in enumerate(values)]
    turned = [pair(said(covid19=b), said(covid19=a), f"1.{i}") for i, (a, b) in enumerate(values)]
    (one,), (other,) = agreements(pairs), agreements(turned)

    assert one.top == other.top
    assert one.top_kappa == pytest.approx(other.top_kappa)
    assert one.findings[0].presence == other.findings[0].presence
    difference = other.findings[0].mean_absolute_difference
    assert one.findings[0].mean_absolute_difference == pytest.approx(difference)


def test_kappa_of_chance_is_nought() -> None:
    assert kappa([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]) == pytest.approx(0.0)


COVID = said(normal=0.1, covid19=0.9)
NORMAL = said(normal=0.9, covid19=0.1)
UNSURE = said(normal=0.5, covid19=0.5)


@pytest.mark.parametrize(
    ("served", "shadow", "verdict", "finding", "who"),
    [
        (COVID, COVID, "accept", None, "both"),
        (COVID, NORMAL, "accept", None, "served_only"),
        (COVID, COVID, "reject", None, "neither"),
        (COVID, NORMAL, "reject", None, "unclear"),
        (COVID, COVID, "accept", "covid19", "both"),
        (COVID, NORMAL, "accept", "covid19", "served_only"),
        (COVID, UNSURE, "accept", "covid19", "served_only"),
        (COVID, NORMAL, "reject", "covid19", "shadow_only"),
        (COVID, COVID, "reject", "covid19", "neither"),
        (COVID, UNSURE, "reject", "covid19", "unclear"),
        (UNSURE, UNSURE, "amend", "covid19", "neither"),
        (UNSURE, COVID, "amend", "covid19", "unclear"),
        (NORMAL, COVID, "amend", "covid19", "shadow_only"),
        (COVID, said(normal=0.9), "reject", "covid19", "unclear"),
    ],
)
def test_verdict_tells_who_was_right(
    served: tuple[Statement, ...],
    shadow: tuple[Statement, ...],
    verdict: str,
    finding: str | None,
    who: str,
) -> None:
    (found,) = agreements([judged(pair(served, shadow), verdict, finding)])

    nobody = Assessed(0, 0, 0, 0, 0)
    assert found.assessed == replace(nobody, **{who: 1})
