"""Which code trains and measures which kind of model."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.card import Figure
from models.training import ct, cxr, gate, outlines, recipe
from models.training.job import Job
from models.training.progress import ConsoleProgress
from models.training.published import train as published
from models.training.published.kept import METRICS


@dataclass(frozen=True, slots=True)
class Task:
    """How one kind of model is trained, and how a finished one is measured."""

    run: Callable[[Job], Path]
    evaluate: Callable[[Job, Path], tuple[Figure, ...]]


TASKS: Final[Mapping[str, Task]] = {
    "cxr": Task(cxr.run, cxr.evaluate),
    "lungs": Task(outlines.run, outlines.evaluate),
    "ct": Task(ct.run, ct.evaluate),
    "gate": Task(gate.run, gate.evaluate),
    "published": Task(published.run, published.evaluate),
}


def job_for(name: str, data: Path, root: Path, without: tuple[str, ...] = ()) -> Job:
    """Return the job of a recipe, working in ``root``/<recipe>; raises SettingsError.

    ``without``: sources or sets to hold out, which gives the job a name and folder of its own.
    """
    read = recipe.load(name).holding_out(without)
    return Job(read, data, root / read.name, ConsoleProgress())


def of(job: Job) -> Task:
    """Return the task of a job."""
    return TASKS[job.recipe.task]


def written(job: Job) -> tuple[Figure, ...]:
    """Return the figures that a finished run wrote into its metrics.json."""
    told = json.loads((job.output / METRICS).read_text(encoding="utf-8"))
    return tuple(Figure(**figure) for figure in told["figures"])
