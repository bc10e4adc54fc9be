"""The way of a run with a real ledger and real files; the model says what the test wants."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dicom_node.domain import RefusalCode, RunState, Stage
from dicom_node.errors import (
    ArchiveAway,
    ArchiveUnavailable,
    InferenceFailed,
    NodeError,
    StudyRefused,
)
from tests.archives import FileArchive
from tests.pipelines import FILM, POLICY, Bench, opened
from worker.pipeline import Attempt


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as one:
        yield one


def test_run_reports_stores_and_plans_the_delivery(bench: Bench) -> None:
    detail = bench.run()
    assert detail.item.state is RunState.REPORTED
    assert len(bench.archive.reports) == 1
    assert [d.Modality for d in bench.archive.stored] == ["SR", "OT"]
    (delivery,) = detail.deliveries
    assert delivery.destination == "pacs"
    told = {Stage.FETCH, Stage.DECODE, Stage.GATE, Stage.INFER, Stage.RECORD, Stage.REPORT}
    assert told < detail.timings.keys()


def test_run_archive_away_is_tried_again_with_the_same_result(bench: Bench) -> None:
    bench.archive.fault = ArchiveUnavailable("Orthanc is away")
    run_id = bench.admit()
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    assert bench.detail().item.state is RunState.QUEUED
    bench.archive.fault = None
    bench.runtime.says = (0.9, 0.03, 0.04, 0.03)  # another device might say otherwise
    bench.clock.forward(3600)
    bench.clock.time = max(bench.clock.time, datetime.now(UTC) + timedelta(hours=1))
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    detail = bench.detail()
    assert detail.item.state is RunState.REPORTED
    said = {f.label: f.probability for f in detail.item.findings}
    assert said["covid19"] == 0.91


def test_run_archive_that_forgets_never_counts_as_reported(bench: Bench) -> None:
    bench.archive.forgets = True
    detail = bench.run()
    assert detail.item.state is RunState.QUEUED
    assert detail.item.error is not None
    assert detail.item.error.stage is Stage.CONFIRM


def test_run_model_that_fails_ends_failed_with_the_stage(bench: Bench) -> None:
    def burst() -> None:
        raise InferenceFailed("the network raised")

    bench.runtime.before = burst
    detail = bench.run()
    assert detail.item.state is RunState.FAILED
    assert detail.item.error is not None
    assert detail.item.error.stage is Stage.INFER


def test_run_study_deleted_while_it_is_read_ends_failed(bench: Bench) -> None:
    bench.runtime.before = bench.archive.studies.clear
    detail = bench.run()
    assert detail.item.state is RunState.FAILED
    assert not bench.archive.stored


def test_run_patient_changed_while_it_is_read_is_an_error_not_a_guess(bench: Bench) -> None:
    bench.runtime.before = lambda: _change(bench.archive, patient_id="PID-OTHER")
    detail = bench.run()
    assert detail.item.state is RunState.FAILED
    assert detail.item.error is not None
    assert "patient" in detail.item.error.message
    assert "PID" not in detail.item.error.message
    assert not bench.archive.stored


def test_run_name_corrected_while_it_is_read_is_the_reports_name(bench: Bench) -> None:
    def correct() -> None:
        image = FILM.build()
        image.PatientName = "Corrected^Name"
        bench.archive.take(image)

    bench.runtime.before = correct
    bench.run()
    (report,) = bench.archive.reports
    assert str(report.PatientName) == "Corrected^Name"


def test_run_same_pixels_encoded_anew_is_a_duplicate(bench: Bench) -> None:
    first = bench.run()
    image = FILM.build()
    image.InstanceCreationTime = "120000"  # other bytes; nothing that a report rests on
    bench.archive.take(image)
    again = bench.run()
    assert len(again.runs) == 2
    assert again.item.report == first.item.report
    assert again.item.state is RunState.REPORTED
    assert len(bench.archive.reports) == 1


def test_run_other_pixels_supersede_with_a_predecessor(bench: Bench) -> None:
    first = bench.run()
    image = FILM.build()
    image.PixelData = bytes(reversed(image.PixelData))
    bench.archive.take(image)
    bench.run()
    assert first.item.report is not None
    newest = bench.archive.reports[-1]
    referred = newest.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert (
        referred.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        == first.item.report.sop_instance_uid
    )


def test_run_forced_on_the_same_pixels_is_a_report_of_its_own(bench: Bench) -> None:
    first = bench.run()
    again = bench.run(force=True)
    assert again.item.report != first.item.report
    assert len(bench.archive.reports) == 2


def test_claim_is_given_once(bench: Bench) -> None:
    run_id = bench.admit()
    bench.claim(run_id)
    assert bench.pipeline.claim(run_id) is None


def test_run_that_lost_its_lease_writes_nothing(bench: Bench) -> None:
    run_id = bench.admit()
    slow = bench.claim(run_id)
    bench.runtime.before = lambda: _take_over(bench, run_id)
    Attempt(bench.pipeline, slow).run()
    assert bench.detail().item.state is RunState.RUNNING
    assert not bench.archive.stored


@pytest.mark.parametrize(
    "error", [StudyRefused("NOT_CHEST", "Not a chest."), InferenceFailed("the network raised")]
)
def test_run_that_lost_its_lease_neither_refuses_nor_fails(bench: Bench, error: NodeError) -> None:
    run_id = bench.admit()
    slow = bench.claim(run_id)

    def lose_and_raise() -> None:
        _take_over(bench, run_id)
        raise error

    bench.runtime.before = lose_and_raise
    Attempt(bench.pipeline, slow).run()
    assert bench.detail().item.state is RunState.RUNNING


def _take_over(bench: Bench, run_id: str) -> None:
    bench.clock.forward(POLICY.lease.seconds * 2)
    assert replace(bench.pipeline, worker="worker-2").claim(run_id) is not None


def _change(archive: FileArchive, *, patient_id: str) -> None:
    image = FILM.build()
    image.PatientID = patient_id
    archive.take(image)


def test_run_that_keeps_killing_its_worker_ends_failed(bench: Bench) -> None:
    run_id = bench.admit()
    for _ in range(POLICY.retry.worker_deaths):
        bench.claim(run_id)  # and the worker dies
        bench.clock.forward(POLICY.lease.seconds * 2)
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    detail = bench.detail()
    assert detail.item.state is RunState.FAILED
    assert detail.item.error is not None
    assert "worker was lost 3 times" in detail.item.error.message
    assert not bench.runtime.seen


def test_death_of_a_worker_costs_none_of_the_attempts_that_the_archive_has(bench: Bench) -> None:
    run_id = bench.admit()
    for _ in range(POLICY.retry.worker_deaths - 1):
        bench.claim(run_id)  # and the worker dies
        bench.clock.forward(POLICY.lease.seconds * 2)
    bench.archive.fault = ArchiveUnavailable("Orthanc answers 500")
    for _ in range(POLICY.retry.attempts):
        assert bench.detail().item.state is not RunState.FAILED
        Attempt(bench.pipeline, bench.claim(run_id)).run()
        bench.clock.time = max(bench.clock.time, datetime.now(UTC))
        bench.clock.forward(POLICY.retry.longest_delay_s)
    detail = bench.detail()
    assert detail.item.error is not None
    assert (detail.item.state, detail.item.error.stage) == (RunState.FAILED, Stage.STORE)


def test_failures_of_the_archive_are_no_deaths_of_a_worker(bench: Bench) -> None:
    """The last attempt that the archive has is read, and nobody is said to have died."""
    run_id = bench.admit()
    bench.archive.fault = ArchiveUnavailable("Orthanc answers 500")
    for _ in range(POLICY.retry.attempts - 1):
        Attempt(bench.pipeline, bench.claim(run_id)).run()
        bench.clock.time = max(bench.clock.time, datetime.now(UTC))
        bench.clock.forward(POLICY.retry.longest_delay_s)
    bench.claim(run_id)  # and the worker dies
    bench.clock.forward(POLICY.lease.seconds * 2)
    bench.archive.fault = None
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    assert bench.detail().item.state is RunState.REPORTED


def test_archive_that_is_away_for_many_attempts_costs_the_study_none(bench: Bench) -> None:
    """Orthanc starts again within seconds; three quick attempts must not end a study FAILED."""
    run_id = bench.admit()
    bench.archive.fault = ArchiveAway("Orthanc is away")
    for _ in range(2 * POLICY.retry.attempts):
        Attempt(bench.pipeline, bench.claim(run_id)).run()
        assert bench.detail().item.state is RunState.QUEUED
        bench.clock.time = max(bench.clock.time, datetime.now(UTC))
        bench.clock.forward(POLICY.retry.longest_delay_s)
    bench.archive.fault = None
    Attempt(bench.pipeline, bench.claim(run_id)).run()
    assert bench.detail().item.state is RunState.REPORTED
    assert bench.detail().runs[0].attempts == 1


def test_run_of_too_many_bytes_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    limits = POLICY.limits.model_copy(update={"study_max_bytes": 1000})
    with opened(tmp_path, POLICY.model_copy(update={"limits": limits})) as bench:
        bench.archive.listed_size = 1001
        bench.archive.take(FILM.build())
        bench.archive.files.clear()
        detail = bench.run()
    assert detail.item.refusal is not None
    assert detail.item.refusal.code is RefusalCode.IMAGE_TOO_LARGE
