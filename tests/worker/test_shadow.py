"""What a shadow makes of a reported run: a row in the ledger, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.domain import Priority, RunState, ShadowReading, ShadowState, StudyKind
from dicom_node.errors import InferenceFailed, LedgerUnavailable
from tests.builders import LABELS, Film
from tests.runtimes import ScriptedRuntime
from tests.shadows import OURS, POLICY, ScriptedReader, ShadowBench
from worker.pipeline import Attempt
from worker.shadow import Shadow

FILM = Film(name="shadow", rows=256, columns=224)

Bench = ShadowBench[ScriptedRuntime, ScriptedReader]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, FILM.build(), ScriptedRuntime(), ScriptedReader())
    yield made
    made.ledger.close()


def test_run_is_reported_before_the_shadow_looks(bench: Bench) -> None:
    detail = bench.report()

    assert detail.item.state is RunState.REPORTED
    assert len(bench.archive.reports) == 1
    assert not bench.reader.seen
    assert bench.ledger.shadows.pairs() == ()


def test_shadow_reads_the_sample_that_the_served_model_read(bench: Bench) -> None:
    bench.report()
    bench.shadow.work()

    assert bench.reader.seen[0] is bench.runtime.seen[0]
    reading = bench.reading()
    assert reading.model == OURS
    assert reading.state is ShadowState.READ
    assert [s.label for s in reading.statements] == list(LABELS)
    assert [s.probability for s in reading.statements] == [0.7, 0.1, 0.1, 0.1]
    assert reading.priority is Priority.LOW
    assert reading.elapsed_ms == 12.5


def test_shadow_changes_nothing_that_anybody_sees(bench: Bench) -> None:
    before = bench.report()
    stored = len(bench.archive.stored)
    bench.shadow.work()

    after = bench.detail()
    assert replace(after, item=replace(after.item, wait_s=before.item.wait_s)) == before
    assert len(bench.archive.stored) == stored


def test_policy_without_a_shadow_for_the_kind_reads_nothing(bench: Bench) -> None:
    other = POLICY.model_copy(update={"shadow": {StudyKind.CT: "our-ct"}})
    shadow = Shadow(bench.ledger.shadows, bench.reader, other)
    bench.pipeline = replace(bench.pipeline, shadow=shadow)
    bench.report()

    assert shadow.idle


def test_shadow_that_fails_is_a_row_and_the_report_stands(bench: Bench) -> None:
    def burst() -> None:
        raise InferenceFailed("the network raised")

    bench.reader.before = burst
    bench.report()
    bench.shadow.work()

    assert bench.reading() == ShadowReading(OURS, ShadowState.FAILED, error="the network raised")
    assert bench.detail().item.state is RunState.REPORTED


def test_shadow_fault_that_nobody_foresaw_leaves_the_thread_alive(bench: Bench) -> None:
    def burst() -> None:
        raise ZeroDivisionError("text that may hold anything")

    bench.reader.before = burst
    bench.report()
    bench.shadow.work()

    assert bench.reading().state is ShadowState.FAILED
    assert bench.reading().error.startswith("ZeroDivisionError at test_shadow.py:")
    assert bench.detail().item.state is RunState.REPORTED


def test_ledger_that_is_away_costs_the_comparison_alone(bench: Bench) -> None:
    class Away:
        def start(self, *_: object) -> None:
            raise LedgerUnavailable("the ledger's database does not answer")

        end = start

    shadow = Shadow(Away(), bench.reader, POLICY)
    bench.pipeline = replace(bench.pipeline, shadow=shadow)
    bench.report()
    shadow.work()

    assert bench.detail().item.state is RunState.REPORTED
    assert bench.ledger.shadows.pairs() == ()
    assert shadow.idle


def test_worker_killed_amid_the_shadow_leaves_one_report(bench: Bench) -> None:
    claim = bench.claim()
    Attempt(bench.pipeline, claim).run()
    bench.ledger.shadows.start(claim.run_id, OURS)  # and the worker dies here

    assert replace(bench.pipeline, worker="worker-2").claim(claim.run_id) is None
    assert bench.detail().item.state is RunState.REPORTED
    assert len(bench.archive.reports) == 1
    assert bench.reading().state is ShadowState.STARTED


def test_slow_shadow_does_not_hold_up_the_next_runs(bench: Bench) -> None:
    for _ in range(3):  # nobody works the shadow off meanwhile
        assert bench.report(force=True).item.state is RunState.REPORTED
    for _ in range(3):
        bench.shadow.work()

    assert bench.reading().state is ShadowState.READ
    assert bench.shadow.idle


def test_study_beyond_the_backlog_is_told_and_not_read(bench: Bench) -> None:
    shadow = Shadow(bench.ledger.shadows, bench.reader, POLICY, backlog_bytes=300_000)
    bench.pipeline = replace(bench.pipeline, shadow=shadow)
    bench.report()
    bench.report(force=True)
    shadow.work()
    shadow.work()

    assert len(bench.reader.seen) == 1
    assert "too many studies were waiting" in bench.reading().error
    bench.report(force=True)
    shadow.work()
    assert bench.reading().state is ShadowState.READ


def test_study_larger_than_the_backlog_is_read_where_nothing_waits(bench: Bench) -> None:
    shadow = Shadow(bench.ledger.shadows, bench.reader, POLICY, backlog_bytes=1)
    bench.pipeline = replace(bench.pipeline, shadow=shadow)
    bench.report()
    shadow.work()

    assert bench.reading().state is ShadowState.READ


def test_duplicate_run_is_not_read_again(bench: Bench) -> None:
    bench.report()
    image = FILM.build()
    image.StationName = "OTHER"  # other bytes, the same image
    bench.archive.take(image)
    bench.report()
    bench.shadow.work()

    assert bench.shadow.idle
    assert len(bench.reader.seen) == 1
