"""Images that are stored again: what is read again, what stands, and under which names."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from dicom_node.domain import Resend, RunState, StudyDetail, Trigger
from dicom_node.errors import ArchiveUnavailable
from dicom_node.policy import Policy, Resent
from tests.pipelines import FILM, POLICY, Bench, opened
from tests.predecessors import not_replaced
from worker.pipeline import Attempt


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as one:
        yield one


def rules(resend: Resend) -> Policy:
    return POLICY.model_copy(update={"resent": Resent(policy=resend)})


def film(**changes: Any) -> Dataset:
    image = FILM.build()
    for keyword, value in changes.items():
        setattr(image, keyword, value)
    return image


def other_pixels() -> Dataset:
    image = FILM.build()
    image.PixelData = bytes(reversed(image.PixelData))
    return image


def send(bench: Bench, image: Dataset) -> StudyDetail:
    bench.archive.take(image)
    return bench.arrive()


def live(bench: Bench) -> list[Dataset]:
    """Return the reports in the archive that no other one names as its predecessor."""
    newest = {str(report.SOPInstanceUID): report for report in bench.archive.reports}
    return not_replaced(newest.values())


def test_same_bytes_five_times_change_nothing(bench: Bench) -> None:
    first = bench.arrive()
    for _ in range(4):
        assert send(bench, FILM.build()) == first
    assert len(bench.archive.reports) == 1


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", "Corrected^Name"),
        ("PatientBirthDate", "19701231"),
        ("PatientSex", "M"),
        ("AccessionNumber", "ACC-8"),
    ],
)
def test_other_demographics_are_those_of_a_new_report(
    bench: Bench, keyword: str, value: str
) -> None:
    bench.arrive()
    told = send(bench, film(**{keyword: value}))
    assert [run.state for run in told.runs] == [RunState.REPORTED, RunState.SUPERSEDED]
    (report,) = live(bench)
    assert str(report[keyword].value) == value


def test_images_that_come_back_to_what_they_were_get_a_third_report(bench: Bench) -> None:
    """Under the first one's UIDs, each of the two would be the other's predecessor."""
    first = bench.arrive()
    second = send(bench, other_pixels())
    third = send(bench, FILM.build())
    reports = {detail.item.report for detail in (first, second, third)}
    assert len(reports) == 3
    (report,) = live(bench)
    assert third.item.report is not None
    assert report.SOPInstanceUID == third.item.report.sop_instance_uid


def test_images_encoded_anew_after_a_forced_run_leave_its_report(bench: Bench) -> None:
    bench.arrive()
    forced = bench.run(force=True)
    again = send(bench, film(InstanceCreationTime="120000"))
    assert again.item.report == forced.item.report
    assert len(live(bench)) == 1


def test_report_that_a_failed_run_left_behind_is_replaced(bench: Bench) -> None:
    """Stored, never confirmed, given up; then the images change."""
    bench.archive.forgets = True
    run_id = bench.admit()
    for _ in range(POLICY.retry.attempts):
        claim = bench.pipeline.claim(run_id)
        assert claim is not None
        Attempt(bench.pipeline, claim).run()
        bench.clock.forward(1e9)  # past any pause, which is counted on the worker's clock
    assert bench.detail().item.state is RunState.FAILED
    bench.archive.forgets = False
    told = send(bench, other_pixels())
    assert told.item.state is RunState.REPORTED
    assert len(live(bench)) == 1


def test_study_that_was_deleted_and_comes_back_is_reported_again(bench: Bench) -> None:
    bench.arrive()
    bench.archive.stored.clear()
    told = send(bench, FILM.build())
    assert [run.state for run in told.runs] == [RunState.REPORTED, RunState.SUPERSEDED]
    assert len(live(bench)) == 1
    assert send(bench, FILM.build()) == told


def test_report_that_somebody_deleted_is_not_written_again_by_itself(bench: Bench) -> None:
    first = bench.arrive()
    bench.archive.stored.clear()
    assert bench.arrive() == first


def test_person_who_asks_for_a_deleted_report_gets_one(tmp_path: Path) -> None:
    with opened(tmp_path, rules(Resend.NEVER)) as bench:
        first = bench.arrive()
        bench.archive.stored.clear()
        assert send(bench, FILM.build()) == first
        assert bench.run().item.state is RunState.REPORTED
        assert len(live(bench)) == 1


def test_report_of_an_earlier_attempt_on_other_images_is_replaced(bench: Bench) -> None:
    run_id = bench.admit()
    bench.archive.forgets = True
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    bench.archive.forgets = False
    bench.archive.take(other_pixels())
    bench.clock.forward(1e9)
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    assert bench.detail().item.state is RunState.REPORTED
    assert len(bench.archive.reports) == 2
    assert len(live(bench)) == 1


def test_slow_worker_and_the_one_that_took_over_leave_one_report(bench: Bench) -> None:
    run_id = bench.admit()
    slow = bench.claim(run_id)

    def taken_over() -> None:
        bench.runtime.before = lambda: None
        bench.clock.forward(POLICY.lease.seconds * 2)
        second = replace(bench.pipeline, worker="worker-2")
        claim = second.claim(run_id)
        assert claim is not None
        Attempt(second, claim).run()

    bench.runtime.before = taken_over
    Attempt(bench.pipeline, slow).run()
    assert bench.detail().item.state is RunState.REPORTED
    assert len(bench.archive.stored) == 2  # one report and one heatmap, stored once


def test_never_leaves_it_to_a_person(tmp_path: Path) -> None:
    with opened(tmp_path, rules(Resend.NEVER)) as bench:
        first = bench.arrive()
        assert send(bench, other_pixels()) == first
        told = bench.run()
        assert [run.state for run in told.runs] == [RunState.REPORTED, RunState.SUPERSEDED]


def test_never_reads_again_what_came_before_the_first_end(tmp_path: Path) -> None:
    with opened(tmp_path, rules(Resend.NEVER)) as bench:
        run_id = bench.admit()
        bench.archive.take(other_pixels())
        ticket = bench.arrive().runs[0]
        assert (ticket.run_id, ticket.state) == (run_id, RunState.QUEUED)


def test_always_reads_the_same_bytes_each_time_they_come(tmp_path: Path) -> None:
    with opened(tmp_path, rules(Resend.ALWAYS)) as bench:
        bench.arrive()
        assert len(bench.arrive().runs) == 1  # seen again, but not stored again
        send(bench, FILM.build())
        told = send(bench, FILM.build())
        assert [run.state for run in told.runs] == [
            RunState.REPORTED,
            RunState.SUPERSEDED,
            RunState.SUPERSEDED,
        ]
        assert len(live(bench)) == 1


def test_failure_of_intake_beside_a_standing_report_can_be_tried_again(bench: Bench) -> None:
    first = bench.arrive()
    listed = bench.archive.studies.pop(bench.study)
    assert bench.arrive().item.state is RunState.FAILED
    bench.archive.studies[bench.study] = listed
    told = bench.run()
    assert told.item.state is RunState.REPORTED
    assert told.item.report == first.item.report
    assert len(bench.archive.reports) == 1


def test_archive_that_is_away_at_the_end_leaves_one_report(bench: Bench) -> None:
    run_id = bench.admit()
    bench.archive.fault = ArchiveUnavailable("Orthanc is away")
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    bench.archive.fault = None
    bench.clock.forward(1e9)
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    assert len(live(bench)) == len(bench.archive.reports) == 1


@pytest.mark.parametrize(("resend", "runs"), [(Resend.ALWAYS, 2), (Resend.CHANGED, 1)])
def test_same_bytes_that_come_while_they_are_read(
    tmp_path: Path, resend: Resend, runs: int
) -> None:
    with opened(tmp_path, rules(resend)) as bench:
        ticket = bench.admission.consider(bench.study, Trigger.STABLE)
        assert ticket is not None
        reading = Attempt(bench.pipeline, bench.claim(ticket.run_id))
        bench.archive.take(film())
        again = bench.admission.consider(bench.study, Trigger.STABLE)
        assert again is not None
        reading.run()
        if again.created:
            Attempt(bench.pipeline, bench.claim(again.run_id)).run()
        told = bench.detail()
        assert [run.state for run in told.runs].count(RunState.REPORTED) == 1
        assert len(told.runs) == runs
        assert len(live(bench)) == 1
        assert bench.admission.consider(bench.study, Trigger.STABLE) is not None
        assert len(bench.detail().runs) == runs
