"""One page of the worklist."""

from dicom_node import policy
from dicom_node.domain import Priority, RunState
from dicom_node.worklist.filters import Filter
from dicom_node.worklist.listing import page
from tests.worklist_heads import NOW, head

POLICY = policy.load()
HEADS = (
    head("1.1", priority=Priority.LOW),
    head("1.2", priority=Priority.STAT, modality="CT"),
    head("1.3", state=RunState.FAILED),
    head("1.4", priority=Priority.LOW, waited_min=481),
)


def test_first_studies_in_reading_order_are_listed_and_all_are_counted() -> None:
    found = page(HEADS, Filter(), 2, POLICY, NOW)
    assert found.uids == ("1.2", "1.4")
    assert (found.matching, found.total) == (4, 4)


def test_states_are_counted_beyond_the_state_that_is_looked_at() -> None:
    found = page(HEADS, Filter(state=RunState.REPORTED, modality="CR"), 9, POLICY, NOW)
    assert found.uids == ("1.4", "1.1")
    assert (found.matching, found.total) == (2, 4)
    assert found.states == {RunState.REPORTED: 2, RunState.FAILED: 1}


def test_modalities_are_all_that_occur() -> None:
    assert page(HEADS, Filter(text="nobody"), 9, POLICY, NOW).modalities == ("CR", "CT")
