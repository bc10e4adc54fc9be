"""Which code trains and measures which kind of model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.card import Figure
from models.training import ct, cxr, gate, recipe
from models.training.job import Job
from models.training.progress import ConsoleProgress


@dataclass(frozen=True, slots=True)
class Task:
    """How one kind of model is trained, and how a finished one is measured."""

    run: Callable[[Job], Path]
    evaluate: Callable[[Job, Path], tuple[Figure, ...]]


TASKS: Final[Mapping[str, Task]] = {
    "cxr": Task(cxr.run, cxr.evaluate),
    "ct": Task(ct.run, ct.evaluate),
    "gate": Task(gate.run, gate.evaluate),
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
