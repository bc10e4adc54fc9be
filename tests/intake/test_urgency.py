"""Whose turn it is: urgency first, and nobody waits for ever."""

import heapq
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node import policy
from dicom_node.domain import Urgency, most_urgent, turn
from dicom_node.policy import UrgencyRule, UrgencyRules

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
RISE_S = 600.0

urgencies = st.sampled_from(list(Urgency))
waits = st.floats(0, 1e6, allow_nan=False)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@given(urgencies, waits, waits)
def test_turn_never_falls_back(asked: Urgency, one: float, other: float) -> None:
    sooner, later = sorted((one, other))
    before = turn(asked, START, after(sooner), RISE_S).urgency
    assert turn(asked, START, after(later), RISE_S).urgency.rank <= before.rank <= asked.rank


@given(urgencies, waits)
def test_turn_names_the_moment_at_which_it_rises(asked: Urgency, waited: float) -> None:
    now = turn(asked, START, after(waited), RISE_S)
    assert (now.rises_at is None) == (now.urgency is Urgency.STAT)
    if now.rises_at is not None:
        assert now.rises_at > after(waited)
        risen = turn(asked, START, now.rises_at, RISE_S)
        assert risen.urgency.rank == now.urgency.rank - 1


@given(
    st.lists(st.tuples(st.integers(0, 300), urgencies), min_size=1, max_size=40),
    st.integers(1, 90),
)
def test_run_is_overtaken_only_by_what_came_within_its_bound(
    arrivals: list[tuple[int, Urgency]], service_s: int
) -> None:
    """One worker takes from the lists; what rises is handed over again at that moment."""
    arrivals.sort(key=lambda arrival: arrival[0])
    waiting = [(after(at), asked) for at, asked in arrivals]
    taken = taken_in_order(waiting, timedelta(seconds=service_s), rise_s=60)
    assert sorted(taken) == list(range(len(waiting)))
    for place, run in enumerate(taken):
        came, asked = waiting[run]
        bound = came + timedelta(seconds=60 * asked.rank)
        assert all(waiting[earlier][0] <= bound for earlier in taken[:place])


def taken_in_order(
    runs: list[tuple[datetime, Urgency]], service: timedelta, rise_s: float
) -> list[int]:
    """Play the broker: a list for each class, first in first out; second messages are no-ops."""
    messages: list[tuple[int, datetime, int]] = []
    events: list[tuple[datetime, int]] = [(came, index) for index, (came, _) in enumerate(runs)]
    heapq.heapify(events)
    taken: list[int] = []
    now = START
    while len(taken) < len(runs):
        while events and (events[0][0] <= now or not messages):
            at, index = heapq.heappop(events)
            now = max(now, at)
            if index not in taken:
                came, asked = runs[index]
                place = turn(asked, came, at, rise_s)
                heapq.heappush(messages, (place.urgency.rank, at, index))
                if place.rises_at is not None:
                    heapq.heappush(events, (place.rises_at, index))
        _, _, index = heapq.heappop(messages)
        if index not in taken:
            taken.append(index)
            now += service
    return taken


@pytest.mark.parametrize(
    ("word", "urgency"),
    [
        ("STAT", Urgency.STAT),
        ("high ", Urgency.HIGH),
        ("ROUTINE", Urgency.ROUTINE),
        ("MEDIUM", Urgency.ROUTINE),
        ("LOW", Urgency.LOW),
        ("", None),
        ("soon", None),
    ],
)
def test_order_says_how_urgent_it_is(word: str, urgency: Urgency | None) -> None:
    assert Urgency.of_order(word) is urgency


def test_most_urgent_word_counts_and_none_is_routine() -> None:
    assert most_urgent(None, Urgency.LOW, Urgency.HIGH) is Urgency.HIGH
    assert most_urgent(None, None) is Urgency.ROUTINE


def test_first_rule_that_fits_decides() -> None:
    rules = UrgencyRules(
        rules=(
            UrgencyRule(sender="er_*", modality="ct", urgency=Urgency.STAT),
            UrgencyRule(description="*screening*", urgency=Urgency.LOW),
        )
    )
    assert rules.of("ER_CT1", "CT", "Thorax") is Urgency.STAT
    assert rules.of("ER_CT1", "DX", "Lung Screening") is Urgency.LOW
    assert rules.of("WARD", "DX", "Thorax") is None


def test_shipped_policy_says_nothing_about_any_sender() -> None:
    assert policy.load().urgency.rules == ()
