"""Kill every part of a node at every point of a study's way, and see whether anything is lost.

Starts scratch nodes of its own, beside whatever runs on this machine; never touches another node
nor the machine's clock. For each trial a film is sent, a process holds at the numbered point, the
fault happens, and the study must end REPORTED, REFUSED or FAILED with a reason, with exactly one
report in Orthanc and at the PACS (docs/faults.md). Exit 1 where a promise was broken.

    .venv/bin/python -m bench.faults                                   # every fault at every point
    .venv/bin/python -m bench.faults --faults worker,redis --points 3-8,22 --json outcome.json
"""

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import track

from bench.faults import injuries, table, trial
from bench.faults.films import films
from bench.faults.injuries import INJURIES, Ground, Injury
from bench.faults.scene import Ports, Scene, opened
from bench.faults.settling import judge
from bench.faults.trial import END_S, Trial
from dicom_node.checkpoints import POINTS, Point

_console = Console(stderr=True)


def main() -> None:
    """Run the chosen trials and print the table."""
    options = _options()
    chosen = [i for i in INJURIES if _named(i, options.faults)]
    points = [p for p in POINTS if p.number in _numbers(options.points)]
    trials: list[Trial] = []
    with TemporaryDirectory(prefix="faults-") as scratch:
        for ground, group in groupby(sorted(chosen, key=_order), key=_ground):
            lacks = injuries.missing(ground)
            if lacks:
                _console.print(f"[red]not tried[/]: {', '.join(i.name for i in group)}: {lacks}")
                continue
            with ExitStack() as stack:
                home = Path(scratch) / ground.name.lower()
                injuries.prepare(stack, ground, home)
                scene = stack.enter_context(opened(home, Ports.choose(options.port), {}))
                trials += _try_all(scene, list(group), points, Path(scratch) / "films", options)
    Console().print(table.drawn(trials))
    for one in trials:
        for promise in one.broken:
            print(f"{one.fault} at {one.point}: {promise}")
    print(table.summary(trials))
    if options.markdown:
        options.markdown.write_text(table.markdown(trials) + "\n", encoding="utf-8")
    if not trials or any(one.broken for one in trials):
        raise SystemExit(1)


def _try_all(
    scene: Scene,
    chosen: Sequence[Injury],
    points: Sequence[Point],
    folder: Path,
    options: argparse.Namespace,
) -> list[Trial]:
    """Try each fault at each point; judge all studies once more when nothing is on its way."""
    pairs = [(injury, point) for injury in chosen for point in points]
    sent = films(folder, f"FAULT-{chosen[0].ground.name}")
    tried: list[Trial] = []
    for injury, point in track(pairs, "trials", console=_console):
        tried.append(trial.run(scene, injury, point, sent))
        _tell(tried[-1], options.json)
    late = judge(scene, [one.study for one in tried], END_S)
    for index, one in enumerate(tried):
        found = [fault.promise for fault in late if fault.study in {"", one.study}]
        if new := [f"in the end {promise}" for promise in found if promise not in one.broken]:
            tried[index] = replace(one, broken=(*one.broken, *new))
            _tell(tried[index], options.json)
    return tried


def _tell(one: Trial, file: Path | None) -> None:
    _console.print(f"{one.fault} at {one.point}: {table.cell(one)} {' '.join(one.broken)}")
    if file:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(one)) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", default="", help="words of faults: worker,redis,disk,clock")
    parser.add_argument("--points", default="", help="numbers and ranges: 1-4,9")
    parser.add_argument(
        "--json",
        type=Path,
        help="add each trial to this file, a line of JSON, and anew if it breaks a promise later",
    )
    parser.add_argument("--markdown", type=Path, help="write the table as Markdown")
    parser.add_argument("--port", type=int, help="first of three free ports")
    return parser.parse_args()


def _named(injury: Injury, words: str) -> bool:
    return not words or any(word.strip() in injury.name for word in words.split(","))


def _numbers(text: str) -> set[int]:
    if not text:
        return {point.number for point in POINTS}
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def _ground(injury: Injury) -> Ground:
    return injury.ground


def _order(injury: Injury) -> int:
    return [*Ground].index(injury.ground)


if __name__ == "__main__":
    main()
