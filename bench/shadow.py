"""What a model in the shadow costs the report: the same run with and without one.

Real pipeline, real gate and model, SQLite ledger; the archive is in memory, so that what is
measured is the worker's own time from claim to confirmed report. Blocks of runs follow one
another without a pause, so that the shadow of one run reads while the next is under way. Beside the
wall clock stands the processor time of the run's own thread, which other load hardly moves.

    .venv/bin/python -m bench.shadow --blocks 4 --runs 10
"""

import argparse
import statistics
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dicom_node import policy
from dicom_node.domain import ReadingPair, ShadowState, StudyKind
from dicom_node.phantom.samples import frontal
from dicom_node.settings import ModelSettings
from models import registry, runtime
from models.runtime import ModelRuntime
from tests.model_inputs import copied
from tests.shadows import OURS, ShadowBench
from worker.pipeline import Attempt
from worker.shadow_process import Orders, ShadowProcess

_KIND = StudyKind.CXR


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    served = policy.load().models[_KIND]
    with TemporaryDirectory() as scratch:
        copied(registry.entry(served), Path(scratch) / "ours")
        site = ModelSettings(name=OURS.name, folder=Path(scratch) / "ours", like=served)
        process = ShadowProcess(Orders("cpu", {_KIND: OURS.name}, (site,), "ERROR"))
        process.start()
        _, (film,) = frontal(41)
        bench = ShadowBench(Path(scratch), film, runtime.load("cpu", {_KIND: served}), process)
        threading.Thread(target=bench.shadow.run, daemon=True).start()
        seconds: dict[bool, list[float]] = {False: [], True: []}
        processor: dict[bool, list[float]] = {False: [], True: []}
        for block in range(2 * options.blocks):
            shadowed = bool(block % 2)
            bench.pipeline = replace(bench.pipeline, shadow=bench.shadow if shadowed else None)
            for _ in range(options.runs):
                claim = bench.claim(force=True)
                started, begun = time.perf_counter(), time.thread_time()
                Attempt(bench.pipeline, claim).run()
                seconds[shadowed].append(time.perf_counter() - started)
                processor[shadowed].append(time.thread_time() - begun)
            if shadowed:
                _until_read(bench)
        for shadowed, times in seconds.items():
            told = f"median {_ms(times)}, own processor time {_ms(processor[shadowed])}"
            print(
                "with a shadow:   " if shadowed else "without a shadow:", f"{told}, n={len(times)}"
            )
        print(f"the shadow itself: {bench.reading().elapsed_ms:.0f} ms for the last film")
        process.close()


def _ms(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):.0f} ms"


def _until_read(bench: ShadowBench[ModelRuntime, ShadowProcess]) -> None:
    """Wait until the shadow has read the last run."""
    pairs: tuple[ReadingPair, ...] = ()
    while not pairs or pairs[0].shadow.state is ShadowState.STARTED:
        time.sleep(0.05)
        pairs = bench.ledger.shadows.pairs()


if __name__ == "__main__":
    main()
