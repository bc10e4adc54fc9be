"""What happened day by day."""

from datetime import UTC, datetime, timedelta
from statistics import median_low

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.domain import Assessment, Failure, Refusal, RefusalCode, Stage
from dicom_node.ledger import HistoryDay, Ledger
from tests.ledgers import STUDY, Clock, finish, objects, report, start, study

FAILURE = Failure(Stage.INFER, "raised")
REFUSAL = Refusal(RefusalCode.NOT_CHEST, "Not a chest.")


def days(ledger: Ledger, count: int = 2) -> tuple[HistoryDay, ...]:
    first = datetime(2026, 3, 1, tzinfo=UTC)
    return ledger.queries.history([first + timedelta(days=n) for n in range(count + 1)])


def test_day_without_anything_is_told_too(ledger: Ledger) -> None:
    first, second = days(ledger)
    assert (first.arrivals, first.reported, first.turnaround_median_s) == (0, 0, None)
    assert first.verdicts == {}
    assert second.start - first.start == timedelta(days=1)


def test_each_event_counts_on_its_own_day(ledger: Ledger, clock: Clock) -> None:
    claim = start(ledger, uid="1.2.1")
    clock.forward(24 * 3600)
    finish(ledger, claim)
    ledger.runs.failed(start(ledger, uid="1.2.2"), FAILURE, None)
    ledger.runs.refused(start(ledger, uid="1.2.3"), REFUSAL)
    first, second = days(ledger)
    assert (first.arrivals, first.reported, first.refused, first.failed) == (1, 0, 0, 0)
    assert (second.arrivals, second.reported, second.refused, second.failed) == (2, 1, 1, 1)
    assert second.turnaround_median_s == 24 * 3600


def test_attempt_that_is_tried_again_is_no_failure(ledger: Ledger, clock: Clock) -> None:
    ledger.runs.failed(start(ledger), FAILURE, clock() + timedelta(seconds=2))
    assert days(ledger)[0].failed == 0


def test_study_refused_without_a_run_is_a_refusal(ledger: Ledger) -> None:
    ledger.studies.record(study(), "CR")
    ledger.studies.refuse(STUDY, REFUSAL)
    assert days(ledger)[0].refused == 1


def test_superseded_report_still_counts_on_its_day(ledger: Ledger, clock: Clock) -> None:
    report(ledger, "images-1")
    clock.forward(24 * 3600)
    report(ledger, "images-2")
    assert [day.reported for day in days(ledger)] == [1, 1]
    assert [day.arrivals for day in days(ledger)] == [1, 0]


def test_newest_verdict_of_a_report_counts(ledger: Ledger, clock: Clock) -> None:
    report(ledger)
    uid = objects("1")[0][1].sop_instance_uid
    for verdict in ("accept", "reject"):
        assessment = Assessment(verdict, None, "", "dr.a", uid, clock())
        ledger.assessments.add(STUDY, assessment)
    assert days(ledger)[0].verdicts == {"reject": 1}


def test_what_lies_outside_of_the_days_is_left_out(ledger: Ledger, clock: Clock) -> None:
    clock.forward(-24 * 3600)
    report(ledger, uid="1.2.1")
    clock.forward(3 * 24 * 3600)
    report(ledger, uid="1.2.2")
    assert [day.arrivals + day.reported for day in days(ledger)] == [0, 0]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seconds=st.lists(st.integers(1, 3000), min_size=1, max_size=25))
def test_turnaround_is_the_median_and_the_95th_percentile_by_nearest_rank(
    ledger: Ledger, clock: Clock, seconds: list[int]
) -> None:
    clock.forward(48 * 3600)  # a day that no earlier example has seen
    begun = clock()
    for number, turnaround in enumerate(seconds):
        clock.time = begun
        claim = start(ledger, uid=f"1.2.{begun.timestamp():.0f}.{number}")
        clock.forward(turnaround)
        finish(ledger, claim)
    clock.time = begun
    (day,) = ledger.queries.history([begun, begun + timedelta(hours=1)])
    ranked = sorted(seconds)
    assert day.turnaround_median_s == median_low(ranked)
    assert day.turnaround_p95_s == ranked[-(-95 * len(ranked) // 100) - 1]
