"""The priority table."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dicom_node import codes, policy
from dicom_node.domain import Finding, Presence, Priority
from dicom_node.policy import Policy, PriorityDefault, PriorityRule
from dicom_node.worklist.priority import prioritise
from tests.ledgers import finding

POLICY = policy.load()
URGENCY = list(Priority)


def read(label: str, probability: float, low: float = 0.4, high: float = 0.5) -> Finding:
    """Make of a probability what two thresholds make of it."""
    presence = Presence.UNDETERMINED
    if probability >= high:
        presence = Presence.PRESENT
    elif probability < low:
        presence = Presence.ABSENT
    return finding(label, probability, presence, high)


LABELS = st.sampled_from(sorted(codes.FINDINGS))
FINDINGS = st.lists(st.builds(read, LABELS, st.floats(0, 1)), max_size=6)
POLICIES = st.builds(
    lambda rules, default: POLICY.model_copy(
        update={"priority": tuple(rules), "priority_default": PriorityDefault(priority=default)}
    ),
    st.lists(
        st.builds(
            PriorityRule,
            finding=LABELS,
            presence=st.sampled_from(Presence),
            priority=st.sampled_from(Priority),
        ),
        max_size=6,
    ),
    st.sampled_from(Priority),
)


@given(FINDINGS, POLICIES)
def test_every_result_has_a_priority_and_a_reason(found: list[Finding], table: Policy) -> None:
    priority, reason = prioritise(found, table)
    assert priority in {rule.priority for rule in table.priority} | {
        table.priority_default.priority
    }
    assert reason
    assert "\n" not in reason


@given(FINDINGS, POLICIES, st.randoms())
def test_order_of_findings_does_not_matter(
    found: list[Finding], table: Policy, chance: random.Random
) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert prioritise(shuffled, table)[0] is prioritise(found, table)[0]


@given(FINDINGS, st.floats(0, 1), st.floats(0, 1))
def test_more_probable_covid19_is_never_less_urgent(
    others: list[Finding], one: float, other: float
) -> None:
    less, more = sorted((one, other))
    rest = [f for f in others if f.label != "covid19"]
    before, _ = prioritise([*rest, read("covid19", less)], POLICY)
    after, _ = prioritise([*rest, read("covid19", more)], POLICY)
    assert URGENCY.index(after) <= URGENCY.index(before)


@given(FINDINGS)
def test_covid19_that_is_present_is_always_stat(found: list[Finding]) -> None:
    assert prioritise([*found, read("covid19", 0.9)], POLICY)[0] is Priority.STAT


def test_reason_names_finding_probability_and_threshold() -> None:
    assert prioritise([finding()], POLICY) == (
        Priority.STAT,
        "covid19 present (87 %, threshold 50 %)",
    )
    close = replace(finding(), probability=0.4987, presence=Presence.UNDETERMINED)
    assert prioritise([close], POLICY) == (
        Priority.ROUTINE,
        "covid19 undetermined (49.9 %, threshold 50 %)",
    )


def test_nothing_found_takes_the_default() -> None:
    priority, reason = prioritise([], POLICY)
    assert priority is POLICY.priority_default.priority
    assert reason == "no finding that the priority table names"
