"""Heads say the same of a study as its item, so that ordering by them is ordering the items."""

from dataclasses import fields
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node import policy
from dicom_node.domain import (
    Assessment,
    Failure,
    Priority,
    Refusal,
    RefusalCode,
    RunState,
    Stage,
    WorklistHead,
)
from dicom_node.ledger import Ledger
from dicom_node.worklist.filters import Filter
from dicom_node.worklist.listing import page
from dicom_node.worklist.order import order
from tests.ledgers import MODEL, Clock, objects, result, start, study

POLICY = policy.load()
REFUSAL = Refusal(RefusalCode.NOT_CHEST, "Not a chest.")
FAILURE = Failure(Stage.INFER, "raised")
ACTS = ("record", "report", "refuse", "fail", "run", "refuse unread", "assess", "wait")
NUMBERS = count(1)
"""No two readings have the same images, and no two reports the same UID."""


class Past:
    """Gives studies a history, one act after another."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._numbers = NUMBERS

    def act(self, uid: str, what: str, priority: Priority) -> None:
        self._ledger.studies.record(study(uid), "CR")
        if what == "wait":
            self._clock.forward(60 * 70)
        elif what == "refuse unread":
            self._ledger.studies.refuse(uid, REFUSAL)
        elif what == "assess":
            self._assess(uid)
        elif what != "record" and self._is_free(uid):
            self._read(uid, what, priority)

    def _is_free(self, uid: str) -> bool:
        found = self._ledger.queries.detail(uid)
        return found is not None and not any(r.state is RunState.RUNNING for r in found.runs)

    def _read(self, uid: str, what: str, priority: Priority) -> None:
        digest = f"images {next(self._numbers)}"
        claim = start(self._ledger, digest, uid)
        if what == "report":
            identity = f"identity of {digest}"
            assert self._ledger.runs.identify(claim, identity, f"input of {identity}", MODEL)
            self._ledger.runs.save_result(claim, result(uid, identity, priority))
            self._ledger.runs.reported(claim, objects(f"{next(self._numbers)}"))
        elif what == "refuse":
            self._ledger.runs.refused(claim, REFUSAL)
        elif what == "fail":
            self._ledger.runs.failed(claim, FAILURE, None)

    def _assess(self, uid: str) -> None:
        found = self._ledger.queries.detail(uid)
        if found is not None and found.item.report is not None:
            sop_instance_uid = found.item.report.sop_instance_uid
            verdict = Assessment("accept", None, "", "dr.a", sop_instance_uid, self._clock())
            self._ledger.assessments.add(uid, verdict)


PASTS = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(ACTS), st.sampled_from(Priority)), max_size=14
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(past=PASTS, limit=st.integers(1, 8))
def test_page_by_heads_is_the_beginning_of_all_items_in_order(
    ledger: Ledger, clock: Clock, past: list[tuple[int, str, Priority]], limit: int
) -> None:
    history = Past(ledger, clock)
    for number, what, priority in past:
        history.act(f"1.2.{number}", what, priority)
    now = clock()
    items = {item.study_instance_uid: item for item in ledger.queries.worklist()}
    heads = ledger.queries.heads()
    assert {head.study_instance_uid for head in heads} == set(items)
    for head in heads:
        item = items[head.study_instance_uid]
        for field in fields(WorklistHead):
            if field.name != "priority" or item.state not in {RunState.REFUSED, RunState.FAILED}:
                assert getattr(head, field.name) == getattr(item, field.name), field.name
    chosen = ledger.queries.chosen(lambda heads: page(heads, Filter(), limit, POLICY, now).uids)
    assert chosen == order(items.values(), POLICY, now)[:limit]


def test_revision_moves_with_what_a_reader_can_see(ledger: Ledger, clock: Clock) -> None:
    seen = [ledger.changes.revision()]
    history = Past(ledger, clock)
    for what in ("record", "report", "assess", "fail", "refuse"):
        history.act("1.2.9", what, Priority.LOW)
        seen.append(ledger.changes.revision())
    assert len(set(seen)) == len(seen)
    assert ledger.changes.revision() == seen[-1]
