"""Which run answers a wish."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dicom_node.domain import Failure, Refusal, RefusalCode, RunState, Stage, Trigger, Urgency
from dicom_node.errors import LedgerError, RunNotFound
from dicom_node.ledger import Ledger
from dicom_node.ledger.handover import HAND_OVER_AGAIN
from tests.ledgers import (
    MODEL,
    OTHER_MODEL,
    STUDY,
    Clock,
    finish,
    objects,
    report,
    start,
    study,
    wish,
)

FAILURE = Failure(Stage.INFER, "the network raised")


def test_first_request_makes_run_one(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    ticket = ledger.runs.request(wish())
    assert (ticket.number, ticket.state, ticket.created) == (1, RunState.QUEUED, True)


def test_request_for_unknown_study_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="does not know study"):
        ledger.runs.request(wish())


def test_same_request_answers_with_the_same_run_in_every_state(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    first = ledger.runs.request(wish())
    assert ledger.runs.request(wish()).run_id == first.run_id
    claim = ledger.runs.claim(first.run_id, "w", 60)
    assert claim is not None
    again = ledger.runs.request(wish())
    assert (again.run_id, again.state, again.created) == (first.run_id, RunState.RUNNING, False)
    finish(ledger, claim)
    again = ledger.runs.request(wish())
    assert (again.run_id, again.state, again.created) == (first.run_id, RunState.REPORTED, False)


def test_queued_run_is_reused_for_other_images(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    first = ledger.runs.request(wish("images-1"))
    second = ledger.runs.request(wish("images-2"))
    assert (second.run_id, second.created) == (first.run_id, False)
    claim = ledger.runs.claim(first.run_id, "w", 60)
    assert claim is not None
    assert ledger.runs.request(wish("images-2")).run_id == first.run_id
    assert ledger.runs.request(wish("images-1")).number == 2


def test_other_images_beside_a_running_run_make_run_two(ledger: Ledger) -> None:
    claim = start(ledger)
    ticket = ledger.runs.request(wish("images-2"))
    assert (ticket.number, ticket.created) == (2, True)
    assert ledger.runs.claim(ticket.run_id, "w2", 60) is None
    finish(ledger, claim)
    assert [t.run_id for t in ledger.runs.due(Clock().time)] == [ticket.run_id]
    assert ledger.runs.claim(ticket.run_id, "w2", 60) is not None


@pytest.mark.parametrize("change", ["images", "model"])
def test_change_after_a_report_makes_run_two(ledger: Ledger, change: str) -> None:
    report(ledger)
    person = wish(model=OTHER_MODEL, trigger=Trigger.COMMAND)
    ticket = ledger.runs.request(wish("images-2") if change == "images" else person)
    assert (ticket.number, ticket.created) == (2, True)


@pytest.mark.parametrize("trigger", [Trigger.STABLE, Trigger.RECONCILE])
def test_new_model_or_policy_has_no_old_study_read_again_by_itself(
    ledger: Ledger, trigger: Trigger
) -> None:
    claim = report(ledger)
    newer = replace(wish(model=OTHER_MODEL, trigger=trigger), policy_hash="policy-2")
    assert ledger.runs.request(newer).run_id == claim.run_id
    assert ledger.runs.request(replace(newer, archive_digest="images-2")).number == 2


def test_unknown_model_fits_any_run(ledger: Ledger) -> None:
    claim = report(ledger)
    assert ledger.runs.request(wish(model=None)).run_id == claim.run_id


def test_run_asked_for_without_a_model_answers_once_a_model_is_known(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    first = ledger.runs.request(wish(model=None))
    claim = ledger.runs.claim(first.run_id, "w", 60)
    assert claim is not None
    assert ledger.runs.request(wish(model=MODEL)).run_id == first.run_id
    finish(ledger, claim)
    assert ledger.runs.request(wish(model=MODEL)).run_id == first.run_id
    other = wish(model=OTHER_MODEL, trigger=Trigger.COMMAND)
    assert ledger.runs.request(other).number == 2


def test_lost_report_is_replaced_once_however_many_noticed_it(ledger: Ledger) -> None:
    old = report(ledger)
    assert ledger.runs.request(wish()).report is None
    again = replace(wish(), stored_digest="stored anew")
    assert ledger.runs.request(again).report == objects("1")[0][1]
    ticket = ledger.runs.request(replace(again, lost_run=old.run_id))
    assert (ticket.number, ticket.created) == (2, True)
    claim = ledger.runs.claim(ticket.run_id, "w", 60)
    assert claim is not None
    assert claim.forced
    assert ledger.runs.request(replace(again, lost_run=old.run_id)).run_id == ticket.run_id


def test_force_makes_a_new_run_and_keeps_the_old_report_until_it_ends(ledger: Ledger) -> None:
    old = report(ledger)
    ticket = ledger.runs.request(wish(force=True, trigger=Trigger.VIEWER))
    assert (ticket.number, ticket.created) == (2, True)
    claim = ledger.runs.claim(ticket.run_id, "w", 60)
    assert claim is not None
    assert claim.forced
    assert ledger.queries.run(old.run_id).state is RunState.REPORTED
    finish(ledger, claim, "identity of images-1")
    assert ledger.queries.run(old.run_id).state is RunState.SUPERSEDED
    assert ledger.runs.request(wish()).run_id == ticket.run_id


def test_failed_run_answers_and_is_not_tried_again_by_itself(ledger: Ledger) -> None:
    claim = start(ledger)
    ledger.runs.failed(claim, FAILURE, None)
    ticket = ledger.runs.request(wish(trigger=Trigger.RECONCILE))
    assert (ticket.run_id, ticket.state, ticket.created) == (claim.run_id, RunState.FAILED, False)


def test_retry_revives_a_failed_run_with_all_its_attempts(ledger: Ledger) -> None:
    claim = start(ledger)
    ledger.runs.failed(claim, FAILURE, None)
    ticket = ledger.runs.request(wish(trigger=Trigger.RETRY))
    assert (ticket.run_id, ticket.state, ticket.created) == (claim.run_id, RunState.QUEUED, True)
    assert ledger.runs.due(Clock().time)
    again = ledger.runs.claim(ticket.run_id, "w", 60)
    assert again is not None
    assert (again.attempt, again.fence) == (1, 2)


def test_revived_run_has_waited_since_it_was_revived(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    ledger.runs.failed(claim, FAILURE, None)
    clock.forward(86_400)
    revived = ledger.runs.request(wish(trigger=Trigger.RETRY))
    assert revived.asked_at == clock()
    ledger.runs.handed_over(revived)
    clock.forward(HAND_OVER_AGAIN.total_seconds())
    assert [ticket.asked_at for ticket in ledger.runs.due(clock())] == [revived.asked_at]


def test_retry_leaves_a_reported_run_alone(ledger: Ledger) -> None:
    claim = report(ledger)
    ticket = ledger.runs.request(wish(trigger=Trigger.RETRY))
    assert (ticket.run_id, ticket.state) == (claim.run_id, RunState.REPORTED)


def test_duplicate_ends_superseded_and_the_older_run_answers(ledger: Ledger) -> None:
    old = report(ledger, "images-1")
    ticket = ledger.runs.request(wish("stored-again"))
    claim = ledger.runs.claim(ticket.run_id, "w", 60)
    assert claim is not None
    assert not ledger.runs.identify(claim, "identity of images-1", "same", MODEL)
    assert ledger.queries.run(ticket.run_id).state is RunState.SUPERSEDED
    assert ledger.runs.request(wish("stored-again")).run_id == old.run_id
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert detail.item.state is RunState.REPORTED
    assert detail.item.findings


def test_duplicate_after_a_failed_run_makes_the_older_report_current(ledger: Ledger) -> None:
    old = report(ledger, "images-1")
    failed = ledger.runs.claim(ledger.runs.request(wish("images-2")).run_id, "w", 60)
    assert failed is not None
    ledger.runs.failed(failed, FAILURE, None)
    third = ledger.runs.claim(ledger.runs.request(wish("stored-again")).run_id, "w", 60)
    assert third is not None
    assert not ledger.runs.identify(third, "identity of images-1", "same", MODEL)
    assert ledger.queries.run(failed.run_id).state is RunState.SUPERSEDED
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert detail.item.report == detail.reports[0]
    assert ledger.queries.run(old.run_id).state is RunState.REPORTED


def test_images_that_come_back_after_a_newer_report_are_read_again(ledger: Ledger) -> None:
    report(ledger, "images-1")
    report(ledger, "images-2")
    ticket = ledger.runs.request(wish("images-1"))
    assert (ticket.number, ticket.created) == (3, True)


def test_failed_twin_gives_way_to_the_run_that_reads_the_images_again(ledger: Ledger) -> None:
    first = start(ledger)
    assert ledger.runs.identify(first, "identity-1", "in", MODEL)
    ledger.runs.failed(first, FAILURE, None)
    second = ledger.runs.claim(ledger.runs.request(wish("images-2")).run_id, "w", 60)
    assert second is not None
    assert ledger.runs.identify(second, "identity-1", "in", MODEL)
    assert ledger.queries.run(first.run_id).state is RunState.SUPERSEDED


def test_twin_is_the_run_of_that_identity_not_a_failed_one_that_was_forced(ledger: Ledger) -> None:
    first = report(ledger, "images-1")
    forced = ledger.runs.claim(ledger.runs.request(wish(force=True)).run_id, "w", 60)
    assert forced is not None
    assert ledger.runs.identify(forced, "of its own", "input of identity of images-1", MODEL)
    ledger.runs.failed(forced, FAILURE, None)
    third = ledger.runs.claim(ledger.runs.request(wish("stored-again")).run_id, "w", 60)
    assert third is not None
    same = ("identity of images-1", "input of identity of images-1", MODEL)
    assert not ledger.runs.identify(third, *same)
    assert ledger.queries.run(first.run_id).state is RunState.REPORTED
    assert ledger.queries.run(forced.run_id).state is RunState.SUPERSEDED


def test_retry_gives_way_to_a_newer_queued_run(ledger: Ledger, clock: Clock) -> None:
    first = start(ledger)
    newer = ledger.runs.request(wish("images-2"))
    ledger.runs.failed(first, FAILURE, clock() + timedelta(seconds=5))
    assert ledger.queries.run(first.run_id).state is RunState.FAILED
    assert ledger.queries.run(newer.run_id).state is RunState.QUEUED


def test_refused_run_supersedes_an_older_report(ledger: Ledger) -> None:
    old = report(ledger)
    claim = ledger.runs.claim(ledger.runs.request(wish("images-2")).run_id, "w", 60)
    assert claim is not None
    ledger.runs.refused(claim, Refusal(RefusalCode.NOT_CHEST, "Not a chest."))
    assert ledger.queries.run(old.run_id).state is RunState.SUPERSEDED


def test_unknown_run_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(RunNotFound):
        ledger.runs.claim("nothing", "w", 60)
    with pytest.raises(RunNotFound):
        ledger.queries.run("nothing")
    ledger.studies.record(study(), "CR")
    with pytest.raises(RunNotFound):
        ledger.runs.handed_over(replace(ledger.runs.request(wish()), run_id="nothing"))


def test_more_urgent_wish_moves_a_queued_run_up(ledger: Ledger, clock: Clock) -> None:
    ledger.studies.record(study(), "CR")
    ticket = ledger.runs.request(wish())
    run_id = ticket.run_id
    ledger.runs.handed_over(ticket)
    ledger.runs.request(replace(wish(), urgency=Urgency.LOW))
    assert not ledger.runs.due(clock())
    ledger.runs.request(replace(wish(), urgency=Urgency.STAT))
    (due,) = ledger.runs.due(clock())
    assert (due.run_id, due.urgency) == (run_id, Urgency.STAT)


def test_person_who_asks_beside_a_failure_of_intake_gets_a_run(ledger: Ledger) -> None:
    report(ledger)
    ledger.studies.fail(STUDY, Failure(Stage.FETCH, "gone"))
    ticket = ledger.runs.request(wish(trigger=Trigger.VIEWER))
    assert (ticket.number, ticket.state, ticket.created) == (3, RunState.QUEUED, True)
