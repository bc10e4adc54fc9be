"""Numbered points on the way of a study at which a harness outside may hold a process.

A study's way is a chain of commits in Orthanc, Redis, the ledger and at destinations. Whatever
dies, dies between two of them; so each has a point before it and one after it. Where
NODE_CHECKPOINTS names a folder, and the file of a point lies there, the first process to reach
that point renames the file, writes its process id into it, and holds until the file is gone;
`bench.faults` kills it, or something else, meanwhile. Without the setting a point costs one
comparison. Imported by Orthanc's plugin, which has no settings: each process calls `enable`.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

_POLL_S = 0.02


class Step(StrEnum):
    """The commits, in the order of the way; the process that takes each stands behind it."""

    NOTIFY = "notify"  # Orthanc's plugin gives the broker the id of what arrived
    DISPATCH = "dispatch"  # intake (or the API) gives the broker a run
    CLAIM = "claim"  # worker: the run is this worker's
    FETCH = "fetch"  # worker: the images are read from Orthanc
    INFER = "infer"  # worker: the model has read them
    RECORD = "record"  # worker: the result is in the ledger
    STORE = "store"  # worker: report and heatmap are in Orthanc
    CONFIRM = "confirm"  # worker: they were read back
    CONCLUDE = "conclude"  # worker: the run is REPORTED in the ledger
    DELIVER = "deliver"  # intake: a destination has its copy
    ACK = "ack"  # worker: the broker forgets the message


class Side(StrEnum):
    """On which side of the commit."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Point:
    """One point; ``number`` counts from 1 along the way."""

    number: int
    side: Side
    step: Step

    def __str__(self) -> str:
        """Return the name by which reports and commands know the point."""
        return f"{self.number:02d} {self.side} {self.step}"

    @property
    def armed(self) -> str:
        """Return the name of the file that arms the point."""
        return f"{self.side}-{self.step}.armed"

    @property
    def reached(self) -> str:
        """Return the name of the file that says which process holds there."""
        return f"{self.side}-{self.step}.reached"


POINTS: Final = tuple(
    Point(2 * index + offset, side, step)
    for index, step in enumerate(Step)
    for offset, side in enumerate(Side, start=1)
)


class _Watched:
    """The folder in which this process looks, if it looks at all."""

    folder: Path | None = None


_watched: Final = _Watched()
_BY_PLACE: Final = {(point.step.value, point.side): point for point in POINTS}


@contextmanager
def around(step: str) -> Iterator[None]:
    """Pass the points before and after a step; one that is not among `Step` has none."""
    folder = _watched.folder
    if folder is None:
        yield
        return
    _reach(folder, step, Side.BEFORE)
    yield
    _reach(folder, step, Side.AFTER)


def enable(folder: Path | None) -> None:
    """Look for armed points in ``folder`` from now on; each process says it once, at its start."""
    _watched.folder = folder


def _reach(folder: Path, step: str, side: Side) -> None:
    """Hold here if the point is armed."""
    point = _BY_PLACE.get((step, side))
    if point is None:
        return
    reached = folder / point.reached
    try:
        (folder / point.armed).rename(reached)
    except FileNotFoundError:
        return
    reached.write_text(str(os.getpid()), encoding="ascii")
    pause = threading.Event()
    while reached.exists():
        pause.wait(_POLL_S)
