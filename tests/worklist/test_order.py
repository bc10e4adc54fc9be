"""The reading order."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dicom_node import policy
from dicom_node.domain import (
    IMAGELESS,
    Assessment,
    Failure,
    Priority,
    Refusal,
    RefusalCode,
    RunState,
    Stage,
    WorklistItem,
)
from dicom_node.worklist.order import Place, moved, order, place, rule_text

POLICY = policy.load()
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REPORTED = RunState.REPORTED
ENDED = (REPORTED, RunState.REFUSED, RunState.FAILED)
ASSESSED = Assessment("accept", None, "", "dr.a", "2.25.1", NOW)


def item(
    uid: str = "1.2.3",
    state: RunState = REPORTED,
    priority: Priority | None = None,
    waited_min: float | None = 0,
    *,
    assessed: bool = False,
) -> WorklistItem:
    received_at = None if waited_min is None else NOW - timedelta(minutes=waited_min)
    refused, failed = state is RunState.REFUSED, state is RunState.FAILED
    return WorklistItem(
        study_instance_uid=uid,
        accession_number="",
        patient_id="",
        patient_name="",
        modality="CR",
        study_description="",
        state=state,
        priority=priority,
        priority_reason=None,
        findings=(),
        model=None,
        refusal=Refusal(RefusalCode.NOT_CHEST, "Not a chest.") if refused else None,
        error=Failure(Stage.INFER, "raised") if failed else None,
        received_at=received_at,
        reported_at=None,
        wait_s=None,
        assessment=ASSESSED if assessed else None,
        viewer_url="",
        report=None,
        images=None,
    )


ITEMS = st.builds(
    item,
    uid=st.integers(1, 40).map(lambda n: f"1.2.{n}"),
    state=st.sampled_from(RunState),
    priority=st.none() | st.sampled_from(Priority),
    waited_min=st.none() | st.floats(-5, 1000),
    assessed=st.booleans(),
)
LISTS = st.lists(ITEMS, max_size=12, unique_by=lambda i: i.study_instance_uid)


def uids(items: tuple[WorklistItem, ...]) -> list[str]:
    return [one.study_instance_uid for one in items]


@given(LISTS, st.randoms())
def test_nothing_is_dropped_and_the_order_given_does_not_matter(
    items: list[WorklistItem], chance: random.Random
) -> None:
    shuffled = list(items)
    chance.shuffle(shuffled)
    assert order(shuffled, POLICY, NOW) == order(items, POLICY, NOW)
    assert sorted(uids(order(items, POLICY, NOW))) == sorted(i.study_instance_uid for i in items)


@given(LISTS)
def test_ordering_twice_changes_nothing(items: list[WorklistItem]) -> None:
    once = order(items, POLICY, NOW)
    assert order(once, POLICY, NOW) == once


@given(LISTS)
def test_unread_stat_comes_before_all_else(items: list[WorklistItem]) -> None:
    is_stat = [
        i.priority is Priority.STAT
        and i.state not in {RunState.FAILED, RunState.REFUSED}
        and (i.assessment is None or i.state is not REPORTED)
        for i in order(items, POLICY, NOW)
    ]
    assert is_stat == sorted(is_stat, reverse=True)


@given(LISTS, st.sampled_from([Priority.HIGH, Priority.ROUTINE, Priority.LOW]))
def test_no_study_starves(items: list[WorklistItem], priority: Priority) -> None:
    old = item("1.9", REPORTED, priority, POLICY.waiting[priority] + 1)
    ordered = order([*items, old], POLICY, NOW)
    for ahead in ordered[: ordered.index(old)]:
        stat = place(ahead, POLICY, NOW) is Place.STAT
        assert stat or (ahead.received_at or NOW) <= (old.received_at or NOW)


@given(
    LISTS,
    st.sampled_from(list(pairwise(Priority))),
    st.floats(0, 59),
    st.floats(0, 59),
)
def test_more_urgent_comes_first_within_the_bounds(
    others: list[WorklistItem], pair: tuple[Priority, Priority], first: float, second: float
) -> None:
    more, less = item("1.8", REPORTED, pair[0], first), item("1.9", REPORTED, pair[1], second)
    ordered = order([*others, less, more], POLICY, NOW)
    assert ordered.index(more) < ordered.index(less)


@given(LISTS, ITEMS)
def test_a_newcomer_does_not_reorder_the_others(
    items: list[WorklistItem], newcomer: WorklistItem
) -> None:
    without = order(items, POLICY, NOW)
    with_it = order([*items, newcomer], POLICY, NOW)
    assert [i for i in with_it if i is not newcomer] == list(without)


@given(ITEMS, st.sampled_from(Priority))
def test_failed_and_refused_studies_come_before_routine_and_low(
    other: WorklistItem, priority: Priority
) -> None:
    ended = item("1.8", RunState.REFUSED, waited_min=1)
    failed = item("1.9", RunState.FAILED, waited_min=1)
    ordered = order([other, ended, failed], POLICY, NOW)
    assert ordered.index(failed) < ordered.index(ended)
    if place(other, POLICY, NOW) in {Place.ROUTINE, Place.LOW, Place.ASSESSED, Place.PENDING}:
        assert ordered[-1] is other


def test_groups_stand_in_the_stated_order() -> None:
    expected = (
        item("stat", REPORTED, Priority.STAT, 1),
        item("overdue low", REPORTED, Priority.LOW, 481),
        item("overdue routine", REPORTED, Priority.ROUTINE, 241),
        item("overdue failed", RunState.FAILED, None, 61),
        item("failed", RunState.FAILED, None, 60),
        item("high long", REPORTED, Priority.HIGH, 60),
        item("high", REPORTED, Priority.HIGH, 1),
        item("refused", RunState.REFUSED, None, 1),
        item("queued", RunState.QUEUED, None, 3),
        item("read again", RunState.RUNNING, Priority.LOW, 2),
        item("received", RunState.RECEIVED, None, 1),
        item("routine", REPORTED, Priority.ROUTINE, 240),
        item("low", REPORTED, Priority.LOW, 479),
        item("done", REPORTED, Priority.STAT, 900, assessed=True),
    )
    assert uids(order(reversed(expected), POLICY, NOW)) == uids(expected)


def test_stat_that_is_read_again_keeps_its_place() -> None:
    again = item("1.1", RunState.QUEUED, Priority.STAT, 5, assessed=True)
    high = item("1.2", REPORTED, Priority.HIGH, 50)
    assert order([high, again], POLICY, NOW) == (again, high)


def test_study_without_a_time_counts_as_new() -> None:
    unknown = item("1.1", REPORTED, Priority.LOW, None)
    older = item("1.2", REPORTED, Priority.LOW, 1)
    assert order([unknown, older], POLICY, NOW) == (older, unknown)


def test_rule_text_states_every_bound_of_the_policy() -> None:
    text = rule_text(POLICY)
    for bound in ("HIGH 60 min", "ROUTINE 240 min", "LOW 480 min"):
        assert bound in text


@given(LISTS, st.floats(-600, 600))
def test_order_of_what_has_not_moved_is_not_changed_by_time(
    items: list[WorklistItem], passed_min: float
) -> None:
    later = NOW + timedelta(minutes=passed_min)
    gone = moved(items, POLICY, NOW, later)
    assert gone == moved(items, POLICY, later, NOW)
    arrived = [i for i in items if i.received_at and i.received_at <= min(NOW, later)]
    kept = [i for i in arrived if i.study_instance_uid not in gone]
    assert order(kept, POLICY, NOW) == order(kept, POLICY, later)


@given(
    st.sampled_from(sorted(IMAGELESS)),
    st.sampled_from([RunState.RECEIVED, RunState.REFUSED, RunState.FAILED]),
    st.floats(0, 100_000),
)
def test_study_of_documents_alone_never_comes_before_routine(
    modality: str, state: RunState, waited_min: float
) -> None:
    documents = replace(item("1", state, None, waited_min), modality=modality)
    routine = item("2", REPORTED, Priority.ROUTINE)
    assert uids(order([documents, routine], POLICY, NOW)) == ["2", "1"]
