"""A fuzz campaign: mutations of DICOM files through decoding, geometry, rules, gate and reports.

    .venv/bin/python -m bench.fuzz --inputs 50000 --seed 1

Prints progress, then counts by target and outcome; writes them, with the files of every fault,
below ``--output``. Exit 1 where an input crashed the process, hung it, or raised anything but a
NodeError. The same seed, seeds and versions give the same inputs. Research images join the
phantoms where NODE_DATA has them.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from bench.fuzz import seeds
from bench.fuzz.campaign import Campaign, Fault, Tally
from bench.fuzz.targets import TARGETS
from dicom_node.settings import load

_NAMED = 20


def main() -> int:
    """Run a campaign; return the exit status."""
    wish = _arguments()
    err = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="dicom-node-fuzz-") as scratch:
        folder = Path(scratch) / "seeds"
        with err.status("rendering the seeds"):
            seeds.prepare(folder, None if wish.phantoms_only else load().data)
        campaign = Campaign(wish.seed, folder, wish.limit, wish.jobs)
        started = time.monotonic()
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=err) as progress:
            task = progress.add_task("inputs", total=wish.inputs)
            tallies = campaign.run(
                wish.inputs, wish.target or list(TARGETS), lambda n: progress.advance(task, n)
            )
        faults = [fault for tally in tallies.values() for fault in tally.faults]
        for fault in _one_of_each(faults):
            print(f"{fault.kind}: {fault.cause}\n  {campaign.keep(fault, wish.output)}")
    _report(tallies, wish, time.monotonic() - started)
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="repeatable")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds for one input")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--phantoms-only", action="store_true", help="no research images")
    parser.add_argument("--output", type=Path, default=Path("output/fuzz"))
    return parser.parse_args()


def _one_of_each(faults: list[Fault]) -> list[Fault]:
    """Return the first fault of each cause; a cause may strike thousands of inputs."""
    first: dict[tuple[str, str, str], Fault] = {}
    for fault in faults:
        first.setdefault((fault.target, fault.kind, fault.cause), fault)
    return list(first.values())[: 10 * _NAMED]


def _report(tallies: dict[str, Tally], wish: argparse.Namespace, took_s: float) -> None:
    total = sum(tally.inputs for tally in tallies.values())
    faults: Counter[str] = Counter()
    for name, tally in tallies.items():
        faults.update(fault.kind for fault in tally.faults)
        print(f"\n{name}: {tally.inputs} inputs, slowest {tally.slowest_s:.2f} s")
        for outcome, count in tally.outcomes.most_common(_NAMED):
            print(f"  {count:7d}  {outcome}")
    print(f"\n{total} inputs, seed {wish.seed}, {took_s:.0f} s, {faults.total()} faults")
    wish.output.mkdir(parents=True, exist_ok=True)
    summary = {
        name: {
            "outcomes": dict(tally.outcomes.most_common()),
            "faults": [[fault.index, fault.kind, fault.cause] for fault in tally.faults],
        }
        for name, tally in tallies.items()
    }
    (wish.output / "counts.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
