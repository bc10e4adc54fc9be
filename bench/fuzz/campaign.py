"""Runs inputs in child processes, watches the clock, counts, and keeps what reproduces a fault."""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Final

from bench.fuzz import targets

CHUNK: Final = 500
_STARTS: Final = 3
"""So often a child is started that does not come to its first input in time."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An input that crashed, hung, or raised what is no NodeError."""

    target: str
    index: int
    kind: str
    report: str

    @property
    def cause(self) -> str:
        """Return the last line of the report: the same cause, most often the same line."""
        return self.report.strip().splitlines()[-1][:160] if self.report.strip() else self.kind


@dataclass(slots=True)
class Tally:
    """What became of the inputs of one target."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    slowest_s: float = 0.0

    def add(self, other: "Tally") -> None:
        """Take in what a chunk of inputs came to."""
        self.outcomes.update(other.outcomes)
        self.faults += other.faults
        self.slowest_s = max(self.slowest_s, other.slowest_s)

    @property
    def inputs(self) -> int:
        """Return how many inputs ran."""
        return self.outcomes.total()


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign: the same seed and seeds give the same inputs."""

    seed: int
    seeds: Path
    limit_s: float
    jobs: int
    start_s: float = 180.0
    """A child may take this long to import and to load the models."""

    def run(self, inputs: int, names: list[str], done: Callable[[int], None]) -> dict[str, Tally]:
        """Run ``inputs`` inputs, shared out over the targets; ``done`` hears of each chunk."""
        tallies = {name: Tally() for name in names}
        with ThreadPoolExecutor(self.jobs) as pool:
            chunks = list(_chunks(inputs, names))
            for name, tally in pool.map(lambda chunk: (chunk[0], self._chunk(*chunk)), chunks):
                tallies[name].add(tally)
                done(tally.inputs)
        return tallies

    def keep(self, fault: Fault, folder: Path) -> Path:
        """Write the files and the report of a fault into a folder of its own."""
        place = folder / f"{fault.target}-{self.seed}-{fault.index}"
        place.mkdir(parents=True, exist_ok=True)
        study = targets.study(fault.target, self.seed, fault.index, self.seeds)
        for number, content in enumerate(study):
            (place / f"{number}.dcm").write_bytes(content)
        (place / "fault.txt").write_text(f"{fault.kind}\n\n{fault.report}\n", encoding="utf-8")
        return place

    def _chunk(self, target: str, first: int, end: int) -> Tally:
        """Run a stretch of inputs; after a death the next child goes on behind it."""
        tally, starts = Tally(), 0
        while first < end:
            behind = self._child(target, first, end, tally)
            starts = starts + 1 if behind == first else 0
            if starts == _STARTS:
                raise RuntimeError(f"no input of {target} began within {self.start_s:.0f} s")
            first = behind
        return tally

    def _child(self, target: str, first: int, end: int, tally: Tally) -> int:
        command = [sys.executable, "-m", "bench.fuzz.child", target, str(self.seed)]
        with subprocess.Popen(
            [*command, str(first), str(end), str(self.seeds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ) as process:
            return self.follow(process, target, first, tally)

    def follow(
        self, process: subprocess.Popen[bytes], target: str, first: int, tally: Tally
    ) -> int:
        """Listen to a child until it ends or hangs; return the number to go on with.

        A child that dies or hangs when an input has ended has one fault more, of that input.
        One that does not come to its first input in time says nothing of it: that is the
        number returned.
        """
        if process.stdout is None or process.stderr is None:
            raise RuntimeError("the child has no pipes")
        running, busy = first - 1, False
        for line in _lines(process.stdout, self.start_s, self.limit_s):
            if line is None:
                process.kill()
                process.wait()
                if running >= first:
                    limit = f"over {self.limit_s:.0f} s"
                    _blame(tally, busy, Fault(target, running, "hang", limit))
                return running + 1
            told = json.loads(line)
            if "begins" in told:
                running, busy = told["begins"], True
                continue
            tally.slowest_s = max(tally.slowest_s, told["took_s"])
            fault = told["fault"] and Fault(target, running, told["outcome"], told["fault"])
            _record(tally, fault or told["outcome"])
            busy = False
        said = process.stderr.read().decode(errors="replace")
        process.wait()
        if running < first:
            raise RuntimeError(f"no input of {target} could run: {said[-2000:]}")
        if process.returncode != 0 or busy:
            kind = _death(process.returncode)
            _blame(tally, busy, Fault(target, running, kind, f"{said[-4000:]}\n{kind}"))
        return running + 1


def _blame(tally: Tally, busy: bool, fault: Fault) -> None:
    """Write a death down: as what became of the input that ran, or beside it."""
    if busy:
        _record(tally, fault)
    else:
        tally.faults.append(replace(fault, kind=f"{fault.kind} after its end"))


def _record(tally: Tally, what: Fault | str) -> None:
    if isinstance(what, Fault):
        tally.faults.append(what)
        tally.outcomes[what.kind] += 1
    else:
        tally.outcomes[what] += 1


def _death(code: int) -> str:
    return f"crash {signal.Signals(-code).name}" if code < 0 else f"crash exit {code}"


def _chunks(inputs: int, names: list[str]) -> Iterator[tuple[str, int, int]]:
    shares = {name: targets.TARGETS[name].share for name in names}
    for name, share in shares.items():
        count = round(inputs * share / sum(shares.values()))
        for first in range(0, count, CHUNK):
            yield name, first, min(first + CHUNK, count)


def _lines(pipe: IO[bytes], first_s: float, then_s: float) -> Iterator[bytes | None]:
    """Yield the lines of a pipe as they come; None, and the end, where none comes in time."""
    wait_s, rest = first_s, b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(wait_s):
                yield None
                return
            new = os.read(pipe.fileno(), 65536)
            if not new:
                return
            *whole, rest = (rest + new).split(b"\n")
            yield from whole
            wait_s = then_s
