"""Inference time of the shipped networks: variants against eager, in the same run.

Prints milliseconds and ratios; trust the ratios, machines differ. Run it from the repository:
``python bench/inference.py [--threads N] [--repeat N]``.
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dicom_node.domain import Sample
from dicom_node.errors import StudyRefused
from dicom_node.ports import Classifier
from models import golden, registry
from models.backbone import MobileNet
from models.gate.model import Gates
from models.graph import channels_last, folded
from models.imaging import EDGE

Run = Callable[[], object]


def network() -> MobileNet:
    """Return the film network in evaluation mode."""
    torch.manual_seed(0)
    return MobileNet(4).eval().requires_grad_(False)


def traced(module: MobileNet, example: torch.Tensor) -> torch.jit.ScriptModule:
    """Trace a network."""
    script: torch.jit.ScriptModule = torch.jit.trace(module, example)  # type: ignore[no-untyped-call]  # torch ships it untyped
    return script


def variants(batch: int) -> dict[str, Run]:
    """Return the ways to run one network on one input."""
    plain = torch.rand(batch, 1, EDGE, EDGE)
    last = plain.contiguous(memory_format=torch.channels_last)
    eager, laid_out, traced_from = network(), channels_last(network()), channels_last(network())
    fused = channels_last(folded(network()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frozen = torch.jit.freeze(traced(traced_from, last))
        optimised = torch.jit.optimize_for_inference(torch.jit.freeze(traced(network(), plain)))

    def bfloat16() -> object:
        with torch.autocast("cpu", torch.bfloat16):
            return laid_out(last)

    return {
        "eager": lambda: eager(plain),
        "eager, channels last": lambda: laid_out(last),
        "folded, channels last (served)": lambda: fused(last),
        "traced, frozen, channels last": lambda: frozen(last),
        "traced, optimize_for_inference": lambda: optimised(plain),
        "eager, channels last, bfloat16": bfloat16,
    }


def medians(runs: dict[str, Run], repeat: int) -> dict[str, float]:
    """Return the median milliseconds of each, taken in turns so that noise hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for _ in range(3):
            for run in runs.values():
                run()
        for _ in range(repeat):
            for name, run in runs.items():
                started = time.perf_counter()
                run()
                times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def whole_path() -> dict[str, Run]:
    """Return gate and classifier on a film of 2048 x 2048 and on the golden series."""
    film = golden.film()
    large = np.kron(film.pixels, np.ones((6, 6), dtype=np.float32))[:2048, :2048]
    big = replace(film, pixels=np.ascontiguousarray(large))
    series = golden.series()
    gates = cast("Gates", registry.open_model(registry.entry("gate"), "cpu"))
    cxr = cast("Classifier", registry.open_model(registry.entry("cxr-lite"), "cpu"))
    ct = cast("Classifier", registry.open_model(registry.entry("ct-lite"), "cpu"))

    def gate(sample: Sample) -> Run:
        def check() -> None:
            with suppress(StudyRefused):
                gates.of(sample.kind).check(sample)

        return check

    return {
        "film 2048 x 2048: gate": gate(big),
        "film 2048 x 2048: model with Grad-CAM": lambda: cxr.predict(big),
        "CT 14 slices: gate": gate(series),
        "CT 14 slices: model with Grad-CAM": lambda: ct.predict(series),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=30)
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for batch in (1, 8):
        found = medians(variants(batch), chosen.repeat)
        for name, value in found.items():
            ratio = found["eager"] / value
            print(f"batch {batch}: {name:34s} {value:8.1f} ms   {ratio:5.2f} x eager")
    for name, value in medians(whole_path(), max(3, chosen.repeat // 3)).items():
        print(f"{name:44s} {value:8.1f} ms")


if __name__ == "__main__":
    main()
