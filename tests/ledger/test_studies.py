"""Studies before and beside their runs; deliveries; audit; assessments."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dicom_node.domain import (
    Assessment,
    Failure,
    Images,
    LeftOut,
    Refusal,
    RefusalCode,
    RunState,
    ServedModel,
    Stage,
    StudyKind,
    Trigger,
)
from dicom_node.errors import LedgerError
from dicom_node.ledger import Ledger
from tests.ledgers import MODEL, OTHER_MODEL, STUDY, Clock, objects, report, start, study, wish

REFUSAL = Refusal(RefusalCode.PATIENT_MISMATCH, "The study holds two patients.")
FAILURE = Failure(Stage.RECEIVE, "The archive does not hold the study any more.")


def test_record_is_new_once_and_refreshes_attributes(ledger: Ledger, clock: Clock) -> None:
    received_at = clock()
    assert ledger.studies.record(study(), "CR")
    clock.forward(10)
    assert not ledger.studies.record(replace(study(), patient_name="NEW^NAME"), "DX")
    (item,) = ledger.queries.worklist()
    assert (item.patient_name, item.modality, item.state) == ("NEW^NAME", "DX", RunState.RECEIVED)
    assert (item.received_at, item.wait_s) == (received_at, 10.0)


def test_record_takes_any_text(ledger: Ledger) -> None:
    odd = replace(study(), patient_name="A\0B\udc80 Ä 岡", accession_number="x" * 5000)
    ledger.studies.record(odd, "CR")
    ledger.studies.record(odd, "CR")
    (item,) = ledger.queries.worklist()
    assert item.patient_name == "AB? Ä 岡"
    assert item.accession_number == "x" * 5000


def test_record_keeps_a_state(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    ledger.studies.refuse(STUDY, REFUSAL)
    ledger.studies.record(study(), "CR")
    assert ledger.queries.worklist()[0].state is RunState.REFUSED


@pytest.mark.parametrize("is_read_before", [False, True])
def test_refuse_keeps_the_newest_account_of_the_images(
    ledger: Ledger, *, is_read_before: bool
) -> None:
    ledger.studies.record(study(), "CR")
    if is_read_before:
        report(ledger)
    for count in (2, 3):
        images = Images(count, 0, (LeftOut(count, REFUSAL.code, REFUSAL.reason),))
        ledger.studies.refuse(STUDY, REFUSAL, images)
        (item,) = ledger.queries.worklist()
        assert item.images == images


def test_study_waits_until_it_is_due(ledger: Ledger, clock: Clock) -> None:
    ledger.studies.record(study(), "CT")
    ledger.studies.wait(STUDY, clock() + timedelta(seconds=3))
    assert ledger.studies.due(clock()) == ()
    clock.forward(3)
    assert ledger.studies.due(clock()) == (STUDY,)
    ledger.studies.looked_at(STUDY, clock())
    assert ledger.studies.due(clock()) == ()
    with pytest.raises(LedgerError):
        ledger.studies.wait("1.2.3.unknown", clock())


def test_look_that_somebody_else_asked_for_since_stands(ledger: Ledger, clock: Clock) -> None:
    ledger.studies.record(study(), "CT")
    listed_at = clock()
    clock.forward(1)
    ledger.studies.wait(STUDY, clock())
    ledger.studies.looked_at(STUDY, listed_at)
    assert ledger.studies.due(clock()) == (STUDY,)


@pytest.mark.parametrize("ending", [REFUSAL, FAILURE])
def test_study_that_ends_is_waited_for_no_more(
    ledger: Ledger, clock: Clock, ending: Refusal | Failure
) -> None:
    ledger.studies.record(study(), "CR")
    ledger.studies.wait(STUDY, clock())
    end(ledger, ending)
    assert ledger.studies.due(clock()) == ()


@pytest.mark.parametrize("ending", [REFUSAL, FAILURE])
def test_study_without_a_run_ends(ledger: Ledger, ending: Refusal | Failure) -> None:
    ledger.studies.record(study(), "CR")
    end(ledger, ending)
    end(ledger, ending)
    (item,) = ledger.queries.worklist()
    assert ending in (item.refusal, item.error)
    assert ledger.queries.failed_studies() == ((STUDY,) if ending is FAILURE else ())


def test_study_without_a_run_may_change_its_verdict(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    end(ledger, FAILURE)
    end(ledger, REFUSAL)
    (item,) = ledger.queries.worklist()
    assert (item.state, item.refusal, item.error) == (RunState.REFUSED, REFUSAL, None)


def test_run_after_a_refusal_clears_it(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    end(ledger, REFUSAL)
    ledger.runs.request(wish())
    (item,) = ledger.queries.worklist()
    assert (item.state, item.refusal) == (RunState.QUEUED, None)


def test_refusal_after_a_report_is_a_run_that_supersedes_it(ledger: Ledger) -> None:
    old = report(ledger)
    end(ledger, REFUSAL)
    end(ledger, REFUSAL)
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert [(run.number, run.state) for run in detail.runs] == [
        (2, RunState.REFUSED),
        (1, RunState.SUPERSEDED),
    ]
    assert detail.item.refusal == REFUSAL
    assert detail.item.findings == ()
    assert detail.runs[1].run_id == old.run_id


def test_failure_after_a_report_does_not_supersede_it(ledger: Ledger) -> None:
    old = report(ledger)
    end(ledger, FAILURE)
    assert ledger.queries.run(old.run_id).state is RunState.REPORTED
    (item,) = ledger.queries.worklist()
    assert (item.state, item.error, item.report) == (RunState.FAILED, FAILURE, None)
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert [(run.number, run.state) for run in detail.runs] == [
        (2, RunState.FAILED),
        (1, RunState.REPORTED),
    ]
    ticket = ledger.runs.request(wish("images-2", trigger=Trigger.RETRY))
    assert (ticket.number, ticket.created) == (3, True)


def test_verdict_leaves_a_live_run_alone(ledger: Ledger) -> None:
    start(ledger)
    end(ledger, FAILURE)
    assert ledger.queries.worklist()[0].state is RunState.RUNNING


def test_cursor_starts_at_nought_and_goes_where_it_is_put(ledger: Ledger) -> None:
    assert ledger.studies.cursor("orthanc") == 0
    for value in (5, 2**40, 3):
        ledger.studies.move_cursor("orthanc", value)
        assert ledger.studies.cursor("orthanc") == value
    assert ledger.studies.cursor("another") == 0


def test_served_model_is_the_last_published(ledger: Ledger, clock: Clock) -> None:
    assert ledger.studies.served_model(StudyKind.CXR) is None
    first = ServedModel(StudyKind.CXR, MODEL, "{}", False, "loading", "cpu", clock())
    ledger.studies.publish([first])
    second = replace(first, identity=OTHER_MODEL, ready=True, message="")
    ledger.studies.publish([second])
    assert ledger.studies.served_model(StudyKind.CXR) == second
    assert ledger.studies.published_models() == (second,)


def test_delivery_is_planned_once_and_retried_until_delivered(ledger: Ledger, clock: Clock) -> None:
    ledger.deliveries.want({"pacs": {"sr"}})
    report(ledger)
    assert ledger.deliveries.plan_late() == 0
    (due,) = ledger.deliveries.due(clock())
    assert (due.study_instance_uid, due.destination, due.attempts) == (STUDY, "pacs", 0)
    ledger.deliveries.postponed(due.delivery_id, "refused connection", clock() + timedelta(1))
    assert ledger.deliveries.due(clock()) == ()
    clock.forward(86400)
    (due,) = ledger.deliveries.due(clock())
    assert due.attempts == 1
    ledger.deliveries.delivered(due.delivery_id)
    ledger.deliveries.postponed(due.delivery_id, "late news", None)
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    (delivery,) = detail.deliveries
    assert (delivery.state, delivery.attempts, delivery.message) == ("DELIVERED", 2, "")
    assert ledger.deliveries.due(clock()) == ()


def test_delivery_given_up_is_failed_with_its_message(ledger: Ledger, clock: Clock) -> None:
    ledger.deliveries.want({"pacs": {"sr"}})
    report(ledger)
    (due,) = ledger.deliveries.due(clock())
    ledger.deliveries.postponed(due.delivery_id, "rejected", None)
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert (detail.deliveries[0].state, detail.deliveries[0].message) == ("FAILED", "rejected")
    assert ledger.queries.counts().deliveries == {"FAILED": 1}
    with pytest.raises(LedgerError):
        ledger.deliveries.delivered(999)


def test_delivery_of_a_superseded_report_is_withdrawn(ledger: Ledger, clock: Clock) -> None:
    ledger.deliveries.want({"pacs": {"sr"}, "research": {"sr"}})
    report(ledger)
    sent, pending = ledger.deliveries.due(clock())
    ledger.deliveries.delivered(sent.delivery_id)
    end(ledger, REFUSAL)
    ledger.deliveries.postponed(pending.delivery_id, "it was away", clock())
    assert ledger.deliveries.due(clock()) == ()
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    told = {d.destination: (d.state, d.message) for d in detail.deliveries}
    assert told == {"pacs": ("DELIVERED", ""), "research": ("WITHDRAWN", "run 2 is newer")}


def test_delivery_that_was_on_its_way_when_it_was_withdrawn_was_delivered(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.deliveries.want({"pacs": {"sr"}})
    report(ledger)
    (due,) = ledger.deliveries.due(clock())
    end(ledger, REFUSAL)
    ledger.deliveries.delivered(due.delivery_id)
    detail = ledger.queries.detail(STUDY)
    assert detail is not None
    assert detail.deliveries[0].state == "DELIVERED"


def test_each_destination_gets_the_objects_that_it_wants(ledger: Ledger, clock: Clock) -> None:
    ledger.deliveries.want({"pacs": {"sr"}, "research": {"sr", "heatmap"}, "none": set()})
    report(ledger)
    planned = {(due.destination, due.sop_instance_uid) for due in ledger.deliveries.due(clock())}
    sr, heatmap = (ref.sop_instance_uid for _, ref in objects("1"))
    assert planned == {("pacs", sr), ("research", sr), ("research", heatmap)}


def test_what_was_reported_before_destinations_were_named_is_planned_late(
    ledger: Ledger, clock: Clock
) -> None:
    report(ledger)
    assert ledger.deliveries.plan_late() == 0
    assert ledger.deliveries.due(clock()) == ()
    ledger.deliveries.want({"pacs": {"sr"}})
    assert ledger.deliveries.plan_late() == 1
    assert ledger.deliveries.plan_late() == 0
    assert [due.destination for due in ledger.deliveries.due(clock())] == ["pacs"]


def test_audit_keeps_who_asked_and_who_judged_without_free_text(
    ledger: Ledger, clock: Clock
) -> None:
    report(ledger)
    verdict = Assessment("reject", "covid19", "SECRET comment", "dr.who", "2.25.11", clock())
    ledger.assessments.add(STUDY, verdict)
    ledger.audit.append("root", "node.up", detail="version 1")
    entries = ledger.audit.entries()
    assert [(e.actor, e.action) for e in entries] == [
        ("root", "node.up"),
        ("dr.who", "report.assess"),
        ("worker-1", "run.reported"),
        ("node", "run.request"),
    ]
    assert not any("SECRET" in entry.detail for entry in entries)
    assert len(ledger.audit.entries(STUDY)) == 3
    assert len(ledger.audit.entries(limit=1)) == 1
    assert ledger.assessments.of(STUDY) == (verdict,)


def end(ledger: Ledger, ending: Refusal | Failure) -> None:
    if isinstance(ending, Refusal):
        ledger.studies.refuse(STUDY, ending)
    else:
        ledger.studies.fail(STUDY, ending)
