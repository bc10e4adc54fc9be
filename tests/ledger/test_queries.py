"""What the worklist shows of a study."""

from dataclasses import replace

from dicom_node.domain import (
    Assessment,
    Failure,
    Priority,
    Refusal,
    RefusalCode,
    RunState,
    Stage,
    StudyDetail,
    WorklistItem,
)
from dicom_node.ledger import BUCKETS_S, Ledger
from tests.ledgers import MODEL, STUDY, Clock, finish, objects, report, start, study, wish


def item(ledger: Ledger) -> WorklistItem:
    (only,) = ledger.queries.worklist()
    return only


def detail(ledger: Ledger) -> StudyDetail:
    found = ledger.queries.detail(STUDY)
    assert found is not None
    return found


def test_received_study_is_in_view_at_once(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    row = item(ledger)
    assert row.state is RunState.RECEIVED
    assert (row.priority, row.model, row.report, row.findings) == (None, None, None, ())
    assert row.viewer_url == f"http://node/ohif/viewer?StudyInstanceUIDs={STUDY}"


def test_reported_study_shows_result_and_how_long_it_took(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger)
    clock.forward(7.5)
    finish(ledger, claim)
    clock.forward(100)
    row = item(ledger)
    assert (row.state, row.priority, row.model) == (RunState.REPORTED, Priority.STAT, MODEL)
    assert row.priority_reason == "covid19 present (87 %, threshold 50 %)"
    assert [(f.label, f.present) for f in row.findings] == [("covid19", True), ("normal", False)]
    assert row.report == objects("1")[0][1]
    assert (row.wait_s, row.reported_at) == (7.5, detail(ledger).runs[0].finished_at)


def test_refused_and_failed_studies_never_look_normal(ledger: Ledger) -> None:
    refusal = Refusal(RefusalCode.NOT_CHEST, "Not a chest.")
    failure = Failure(Stage.INFER, "the network raised")
    report(ledger)
    second = start(ledger, "images-2")
    ledger.runs.failed(second, failure, None)
    row = item(ledger)
    assert (row.state, row.error, row.refusal) == (RunState.FAILED, failure, None)
    assert (row.priority, row.findings, row.report) == (None, (), None)
    third = start(ledger, "images-3")
    ledger.runs.refused(third, refusal)
    row = item(ledger)
    assert (row.state, row.error, row.refusal) == (RunState.REFUSED, None, refusal)
    assert (row.priority, row.findings, row.report) == (None, (), None)


def test_earlier_result_stays_in_view_while_a_newer_run_is_under_way(ledger: Ledger) -> None:
    report(ledger)
    start(ledger, "images-2")
    row = item(ledger)
    assert (row.state, row.priority) == (RunState.RUNNING, Priority.STAT)
    assert row.report == objects("1")[0][1]
    assert (row.priority_reason or "").endswith("(earlier report; a new reading is under way)")


def test_newest_report_replaces_the_earlier_one(ledger: Ledger) -> None:
    report(ledger, "images-1", priority=Priority.STAT)
    report(ledger, "images-2", priority=Priority.LOW)
    found = detail(ledger)
    assert found.item.priority is Priority.LOW
    assert found.item.report == objects("2")[0][1]
    assert found.reports == (objects("2")[0][1], objects("1")[0][1])
    assert found.heatmaps == (objects("2")[1][1], objects("1")[1][1])
    assert [run.state for run in found.runs] == [RunState.REPORTED, RunState.SUPERSEDED]


def test_detail_of_an_unknown_study_is_none(ledger: Ledger) -> None:
    assert ledger.queries.detail("1.2.3.unknown") is None


def test_timings_count_from_received(ledger: Ledger, clock: Clock) -> None:
    ledger.studies.record(study(), "CR")
    clock.forward(1)
    ticket = ledger.runs.request(wish())
    ledger.runs.handed_over(ticket)
    clock.forward(0.25)
    claim = ledger.runs.claim(ticket.run_id, "w", 60)
    assert claim is not None
    for stage in (Stage.FETCH, Stage.DECODE):
        clock.forward(0.5)
        ledger.runs.mark(claim, stage)
    assert list(detail(ledger).timings.items()) == [
        ("receive", 0.0),
        ("dispatch", 1.0),
        ("claim", 1.25),
        ("fetch", 1.75),
        ("decode", 2.25),
    ]


def test_filters_are_by_state_and_modality(ledger: Ledger) -> None:
    report(ledger, uid="1.2.1")
    ledger.studies.record(study("1.2.2"), "CT")
    ledger.studies.record(study("1.2.3"), "CR")

    def uids(state: RunState | None, modality: str | None) -> set[str]:
        found = ledger.queries.worklist(state, modality)
        return {row.study_instance_uid for row in found}

    assert uids(None, None) == {"1.2.1", "1.2.2", "1.2.3"}
    assert uids(RunState.RECEIVED, None) == {"1.2.2", "1.2.3"}
    assert uids(None, "CR") == {"1.2.1", "1.2.3"}
    assert uids(RunState.RECEIVED, "CR") == {"1.2.3"}
    assert uids(RunState.FAILED, None) == set()


def test_rows_of_many_studies_do_not_mix(ledger: Ledger) -> None:
    for number, priority in enumerate(Priority):
        report(ledger, uid=f"1.2.{number}", priority=priority)
    found = {row.study_instance_uid: row for row in ledger.queries.worklist()}
    for number, priority in enumerate(Priority):
        row = found[f"1.2.{number}"]
        assert row.priority is priority
        assert len(row.findings) == 2
        alone = ledger.queries.detail(row.study_instance_uid)
        assert alone is not None
        assert alone.item == row


def test_newest_assessment_of_the_present_report_is_shown(ledger: Ledger, clock: Clock) -> None:
    report(ledger)
    uid = objects("1")[0][1].sop_instance_uid
    first = Assessment("accept", None, "", "dr.a", uid, clock())
    second = replace(first, verdict="reject", user="dr.b")
    ledger.assessments.add(STUDY, first)
    ledger.assessments.add(STUDY, second)
    assert item(ledger).assessment == second
    report(ledger, "images-2")
    assert item(ledger).assessment is None
    assert ledger.assessments.of(STUDY) == (first, second)


def test_counts_are_what_was_done(ledger: Ledger, clock: Clock) -> None:
    empty = ledger.queries.counts()
    assert (empty.studies, empty.turnaround_count, empty.oldest_queued_s) == ({}, 0, 0.0)
    for uid, seconds in (("1.2.1", 0.5), ("1.2.2", 4.0)):
        claim = start(ledger, uid=uid)
        clock.forward(seconds)
        finish(ledger, claim)
    ledger.studies.record(study("1.2.3"), "CR")
    ledger.runs.request(wish(uid="1.2.3"))
    clock.forward(9)
    counts = ledger.queries.counts()
    assert counts.studies == {RunState.REPORTED: 2, RunState.QUEUED: 1}
    assert counts.runs == counts.studies
    assert counts.oldest_queued_s == 9.0
    assert (counts.turnaround_count, counts.turnaround_sum_s) == (2, 4.5)
    assert [counts.turnaround[bound] for bound in BUCKETS_S[:3]] == [1, 1, 2]


def test_ping_answers(ledger: Ledger) -> None:
    ledger.ping()
