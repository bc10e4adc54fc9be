"""Leases, fences, hand-over and retries."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dicom_node.domain import Claim, Failure, Refusal, RefusalCode, RunState, Stage, Urgency
from dicom_node.errors import LeaseLost
from dicom_node.ledger import Ledger
from dicom_node.ledger.handover import HAND_OVER_AGAIN, LOST_AFTER
from tests.ledgers import MODEL, STUDY, Clock, finish, objects, result, start, study, wish

FAILURE = Failure(Stage.FETCH, "Orthanc does not answer")


def due(ledger: Ledger, clock: Clock) -> list[str]:
    return [ticket.run_id for ticket in ledger.runs.due(clock())]


def hand_over(ledger: Ledger, clock: Clock) -> None:
    """Write down that the broker has what is due."""
    for ticket in ledger.runs.due(clock()):
        ledger.runs.handed_over(ticket)


def test_claimed_run_is_nobody_elses(ledger: Ledger) -> None:
    claim = start(ledger)
    assert ledger.runs.claim(claim.run_id, "other", 60) is None


def test_run_whose_lease_ran_out_is_taken_over_with_a_higher_fence(
    ledger: Ledger, clock: Clock
) -> None:
    claim = start(ledger)
    clock.forward(61)
    assert due(ledger, clock) == [claim.run_id]
    second = ledger.runs.claim(claim.run_id, "other", 60)
    assert second is not None
    assert (second.fence, second.attempt, second.deaths) == (claim.fence + 1, 2, 1)
    with pytest.raises(LeaseLost):
        ledger.runs.renew(claim, 60)


def test_renewed_lease_keeps_the_run(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    clock.forward(50)
    ledger.runs.renew(claim, 60)
    clock.forward(50)
    assert due(ledger, clock) == []
    assert ledger.runs.claim(claim.run_id, "other", 60) is None


def test_lease_that_ran_out_still_holds_while_nobody_took_over(
    ledger: Ledger, clock: Clock
) -> None:
    claim = start(ledger)
    clock.forward(3600)
    finish(ledger, claim)
    assert ledger.queries.run(claim.run_id).state is RunState.REPORTED


def test_every_method_refuses_a_stale_claim(ledger: Ledger, clock: Clock) -> None:
    stale = start(ledger)
    clock.forward(61)
    held = ledger.runs.claim(stale.run_id, "other", 60)
    assert held is not None
    refusal = Refusal(RefusalCode.NOT_CHEST, "Not a chest.")
    calls = (
        lambda c: ledger.runs.renew(c, 60),
        lambda c: ledger.runs.mark(c, Stage.FETCH),
        lambda c: ledger.runs.identify(c, "identity", "input", MODEL),
        ledger.runs.predecessor,
        lambda c: ledger.runs.save_result(c, result()),
        lambda c: ledger.runs.reported(c, objects()),
        lambda c: ledger.runs.refused(c, refusal),
        lambda c: ledger.runs.failed(c, FAILURE, None),
    )
    for call in calls:
        with pytest.raises(LeaseLost):
            call(stale)
    finish(ledger, held)
    with pytest.raises(LeaseLost):
        ledger.runs.failed(held, FAILURE, None)


def test_retry_waits_for_its_time_and_keeps_the_reason(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    ledger.runs.failed(claim, FAILURE, clock() + timedelta(seconds=5))
    assert due(ledger, clock) == []
    assert ledger.runs.claim(claim.run_id, "w", 60) is None
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert (detail.item.state, detail.item.error) == (RunState.QUEUED, FAILURE)
    clock.forward(5)
    assert due(ledger, clock) == [claim.run_id]
    second = ledger.runs.claim(claim.run_id, "w", 60)
    assert second is not None
    assert (second.attempt, second.deaths) == (2, 0)


def test_run_is_due_until_handed_over_and_again_if_nobody_claims_it(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.studies.record(study(), "CR")
    ticket = ledger.runs.request(wish())
    assert due(ledger, clock) == [ticket.run_id]
    ledger.runs.handed_over(ticket)
    assert due(ledger, clock) == []
    clock.forward(HAND_OVER_AGAIN.total_seconds())
    assert due(ledger, clock) == [ticket.run_id]


def test_hand_over_written_down_after_the_attempt_failed_does_not_hold_up_the_retry(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.studies.record(study(), "CR")
    ticket = ledger.runs.request(wish())
    claim = ledger.runs.claim(ticket.run_id, "w", 60)
    assert claim is not None
    ledger.runs.failed(claim, FAILURE, clock() + timedelta(seconds=5))
    ledger.runs.handed_over(ticket)
    clock.forward(5)
    assert due(ledger, clock) == [ticket.run_id]


def test_hand_over_written_down_after_a_sibling_blocked_the_run_does_not_hold_it_up(
    ledger: Ledger, clock: Clock
) -> None:
    first = start(ledger)
    second = ledger.runs.request(wish("images-2"))
    assert ledger.runs.claim(second.run_id, "w", 60) is None
    ledger.runs.handed_over(second)
    ledger.runs.failed(first, FAILURE, None)
    assert due(ledger, clock) == [second.run_id]


def test_hand_over_written_down_after_the_run_was_raised_does_not_hold_it_down(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.studies.record(study(), "CR")
    ticket = ledger.runs.request(wish())
    ledger.runs.request(replace(wish(), urgency=Urgency.STAT))
    ledger.runs.handed_over(ticket)
    assert due(ledger, clock) == [ticket.run_id]


def test_lost_run_is_handed_over_once_until_claimed(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    clock.forward(61)
    hand_over(ledger, clock)
    assert due(ledger, clock) == []
    clock.forward(HAND_OVER_AGAIN.total_seconds())
    assert due(ledger, clock) == [claim.run_id]


def test_run_beside_a_running_one_waits_for_it(ledger: Ledger, clock: Clock) -> None:
    first = start(ledger)
    second = ledger.runs.request(wish("images-2"))
    ledger.runs.handed_over(second)
    assert ledger.runs.claim(second.run_id, "w", 60) is None
    assert due(ledger, clock) == []
    ledger.runs.failed(first, FAILURE, None)
    assert due(ledger, clock) == [second.run_id]


def test_second_attempt_finds_the_persisted_result(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    assert ledger.runs.result(claim.run_id) is None
    assert ledger.runs.identify(claim, "identity-1", "in", MODEL)
    ledger.runs.save_result(claim, result())
    clock.forward(61)
    again = ledger.runs.claim(claim.run_id, "other", 60)
    assert again is not None
    assert ledger.runs.identify(again, "identity-1", "in", MODEL)
    assert ledger.runs.result(claim.run_id) == result()


def test_predecessor_is_the_newest_older_report(ledger: Ledger) -> None:
    def claim_next(digest: str) -> Claim:
        claim = ledger.runs.claim(ledger.runs.request(wish(digest)).run_id, "w", 60)
        assert claim is not None
        return claim

    first = start(ledger)
    assert ledger.runs.predecessor(first) is None
    finish(ledger, first, "identity-1")
    second = claim_next("images-2")
    assert ledger.runs.predecessor(second) == objects("1")[0][1]
    ledger.runs.refused(second, Refusal(RefusalCode.NOT_CHEST, "Not a chest."))
    third = claim_next("images-3")
    assert ledger.runs.predecessor(third) == objects("1")[0][1]
    finish(ledger, third, "identity-3")
    assert ledger.runs.predecessor(claim_next("images-4")) == objects("3")[0][1]


def test_lost_run_gives_way_to_a_newer_queued_run(ledger: Ledger, clock: Clock) -> None:
    lost = start(ledger)
    newer = ledger.runs.request(wish("images-2"))
    clock.forward(61)
    assert ledger.runs.claim(lost.run_id, "other", 60) is None
    assert ledger.queries.run(lost.run_id).state is RunState.FAILED
    assert due(ledger, clock) == [newer.run_id]
    assert ledger.runs.claim(newer.run_id, "other", 60) is not None


def test_recall_names_again_what_the_broker_lost(ledger: Ledger, clock: Clock) -> None:
    ledger.studies.record(study(), "CR")
    ticket = ledger.runs.request(wish())
    run_id = ticket.run_id
    ledger.runs.handed_over(ticket)
    assert ledger.runs.recall(0) == 0  # it may still be on its way
    clock.forward(LOST_AFTER.total_seconds())
    assert ledger.runs.recall(1) == 0
    assert ledger.runs.recall(0) == 1
    assert due(ledger, clock) == [run_id]


def test_recall_leaves_alone_what_a_worker_holds(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    clock.forward(LOST_AFTER.total_seconds())
    assert ledger.runs.recall(0) == 0
    ledger.runs.renew(claim, 60)


def test_recall_of_a_run_whose_worker_and_message_were_both_lost(
    ledger: Ledger, clock: Clock
) -> None:
    claim = start(ledger)
    clock.forward(61)
    hand_over(ledger, clock)
    clock.forward(LOST_AFTER.total_seconds())
    assert ledger.runs.recall(0) == 1
    assert due(ledger, clock) == [claim.run_id]


def test_clock_set_back_brings_lease_retry_and_study_nearer(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    ledger.studies.wait(STUDY, clock() + timedelta(seconds=30))
    clock.forward(-3600)
    ledger.studies.clock_was_set_back(timedelta(hours=1))
    clock.forward(61)
    assert due(ledger, clock) == [claim.run_id]
    assert ledger.studies.due(clock()) == (STUDY,)


def test_run_is_due_again_when_its_turn_rises(ledger: Ledger, clock: Clock) -> None:
    ledger.studies.record(study(), "CR")
    given = ledger.runs.request(wish())
    ledger.runs.handed_over(given, clock() + timedelta(seconds=30))
    clock.forward(29)
    assert not ledger.runs.due(clock())
    clock.forward(1)
    assert due(ledger, clock) == [given.run_id]


def test_second_messages_grow_rarer(ledger: Ledger, clock: Clock) -> None:
    ledger.studies.record(study(), "CR")
    ledger.runs.request(wish())
    messages = 0
    for _ in range(24 * 60):
        for ticket in ledger.runs.due(clock()):
            ledger.runs.handed_over(ticket)
            messages += 1
        clock.forward(60)
    assert 1 < messages <= 12
