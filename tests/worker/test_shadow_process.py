"""The process of the shadow: real models, and programs that die, hang or come back."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from dicom_node import policy
from dicom_node.domain import ModelState, RunState, ShadowState, StudyKind
from dicom_node.errors import InferenceFailed
from dicom_node.phantom.samples import frontal
from dicom_node.settings import ModelSettings
from models import catalogue, golden, registry, runtime
from tests.model_inputs import copied
from tests.shadows import DIES, DIES_ONCE, HANGS, ShadowBench, program
from worker.shadow_process import Deadlines, Orders, ShadowProcess

SERVED = policy.load().models[StudyKind.CXR]
CXR = StudyKind.CXR
Start = Callable[..., ShadowProcess]


@pytest.fixture
def ours(tmp_path: Path) -> ModelSettings:
    copied(registry.entry(SERVED), tmp_path / "ours")
    return ModelSettings(name="our-cxr", folder=tmp_path / "ours", like=SERVED)


@pytest.fixture
def start() -> Iterator[Start]:
    """Make processes that are ended with the test."""
    made: list[ShadowProcess] = []

    def make(*arguments: object, **options: object) -> ShadowProcess:
        made.append(ShadowProcess(*arguments, **options))  # type: ignore[arg-type]  # as given
        return made[-1]

    yield make
    for one in made:
        one.close()


def orders(*site: ModelSettings, device: str = "cpu") -> Orders:
    return Orders(device, {CXR: "our-cxr"}, site, "INFO")


def test_shadow_says_what_the_same_weights_say_when_served(
    start: Start, ours: ModelSettings
) -> None:
    process = start(orders(ours))
    (before,) = process.published()
    process.start()
    (after,) = process.published()
    answer = process.read(CXR, [golden.film(), golden.film()])

    assert (before.ready, before.message) == (False, "is being loaded")
    assert (after.ready, after.state, after.device) == (True, ModelState.SHADOW, "cpu")
    assert process.identity(CXR) == after.identity
    served = runtime.load("cpu", {CXR: SERVED}).classifier(CXR).predict(golden.film())
    for prediction in answer.predictions:
        assert prediction.model.name == "our-cxr"
        assert prediction.heatmaps == ()
        said = [finding.probability for finding in prediction.findings]
        np.testing.assert_allclose(said, [f.probability for f in served.findings], atol=1e-5)
    assert answer.elapsed_ms > 0


def test_same_weights_in_the_shadow_say_what_was_reported(
    start: Start, ours: ModelSettings, tmp_path: Path
) -> None:
    _, (film,) = frontal(31)
    process = start(orders(ours))
    bench = ShadowBench(tmp_path, film, runtime.load("cpu", {CXR: SERVED}), process)
    detail = bench.report()
    bench.shadow.work()

    pair = bench.pair()
    assert detail.item.state is RunState.REPORTED
    assert len(bench.archive.reports) == 1
    assert pair.shadow.state is ShadowState.READ
    assert pair.shadow.model == catalogue.build([ours]).entry("our-cxr").card().identity
    assert pair.shadow.priority is pair.served.priority
    assert [s.label for s in pair.shadow.statements] == [s.label for s in pair.served.statements]
    np.testing.assert_allclose(
        [s.probability for s in pair.shadow.statements],
        [s.probability for s in pair.served.statements],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("weights.safetensors", "other weights", "hash to"),
        ("golden.json", "{}", "cannot be read"),
        ("card.toml", "no card", "cannot be read"),
    ],
)
def test_shadow_that_is_not_sound_is_told_and_reads_nothing(
    start: Start, ours: ModelSettings, file: str, content: str, fault: str
) -> None:
    (ours.folder / file).write_text(content, encoding="utf-8")
    process = start(orders(ours))
    process.start()

    (published,) = process.published()
    assert not published.ready
    assert fault in published.message
    assert published.identity.name == "our-cxr"
    with pytest.raises(InferenceFailed, match=fault):
        process.read(CXR, [golden.film()])


def test_shadow_that_nobody_registered_is_told_with_the_known_names(start: Start) -> None:
    process = start(orders())
    process.start()

    (published,) = process.published()
    assert "no model is named our-cxr" in published.message
    assert SERVED in published.message


def test_process_that_dies_is_a_fault_and_in_the_end_stays_down(start: Start) -> None:
    process = start(orders(), program(DIES))
    for _ in range(3):
        with pytest.raises(InferenceFailed, match="ended by SIGSEGV"):
            process.read(CXR, [golden.film()])
    with pytest.raises(InferenceFailed, match="3 times in a row: it stays down"):
        process.read(CXR, [golden.film()])

    (published,) = process.published()
    assert not published.ready
    assert "stays down" in published.message


def test_process_that_died_once_is_started_again(start: Start, tmp_path: Path) -> None:
    process = start(orders(), program(DIES_ONCE, str(tmp_path / "mark")))
    with pytest.raises(InferenceFailed, match="SIGSEGV"):
        process.read(CXR, [golden.film()])

    assert process.read(CXR, [golden.film()]).elapsed_ms == 1.0


def test_process_that_ended_between_two_studies_costs_none(start: Start, tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    process = start(orders(), program(DIES_ONCE, str(tmp_path / "mark")))
    before = set(psutil.Process().children())  # servers of other tests
    process.start()
    (child,) = set(psutil.Process().children()) - before
    child.kill()
    child.wait(30)

    assert process.read(CXR, [golden.film()]).elapsed_ms == 1.0


def test_process_that_hangs_is_ended_at_the_deadline(start: Start) -> None:
    process = start(orders(), program(HANGS), Deadlines(read_s=0.2))

    with pytest.raises(InferenceFailed, match=r"took longer than 0\.2 s"):
        process.read(CXR, [golden.film()])


def test_program_that_cannot_start_is_a_fault(start: Start) -> None:
    process = start(orders(), ("/nowhere/python",))
    process.start()

    (published,) = process.published()
    assert "could not be started" in published.message


def test_process_ends_with_its_worker(ours: ModelSettings) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, ours.model_dump_json()],
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert worker.stdout is not None
    with worker:
        child = psutil.Process(int(worker.stdout.readline()))
        assert child.nice() > psutil.Process(worker.pid).nice()
        os.kill(worker.pid, signal.SIGKILL)
        gone, alive = psutil.wait_procs([child], timeout=60)
    assert (len(gone), alive) == (1, [])


_WORKER = """
import signal, sys
import psutil
from dicom_node.domain import StudyKind
from dicom_node.settings import ModelSettings
from worker.shadow_process import Orders, ShadowProcess
site = ModelSettings.model_validate_json(sys.argv[1])
process = ShadowProcess(Orders("cpu", {StudyKind.CXR: site.name}, (site,), "INFO"))
process.start()
print(psutil.Process().children()[0].pid, flush=True)
signal.pause()
"""
