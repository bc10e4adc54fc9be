"""Every recipe that has weights, measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dicom_node.errors import SettingsError
from models import card, registry
from models.card import Figure
from models.training import recipe, tasks
from models.training.job import Job
from models.training.progress import Progress
from models.training.published import kept
from models.training.published.kept import Trained
from models.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Measured:
    """One recipe with its figures, which are none where it has no weights.

    ``trained`` is known of a published recipe that was trained here.
    """

    recipe: Recipe
    figures: tuple[Figure, ...] = ()
    trained: Trained | None = None


def _shipped(job: Job) -> Path | None:
    """Return the folder of a recipe's registered model, None where it has no weights yet."""
    entry = registry.MODELS.get(job.recipe.model)
    if entry is None or not (entry.folder / card.FILE).is_file():
        return None
    return entry.folder if (entry.folder / entry.card().weights.file).is_file() else None


def one(job: Job) -> Measured:
    """Measure the model of one recipe, trained here or shipped.

    Raises SettingsError where there is neither.
    """
    trained = kept.read(job) if job.recipe.task == "published" else None
    folder = job.output if trained else _shipped(job)
    if folder is None:
        raise SettingsError(
            f"{job.recipe.name} has no weights in {job.output.parent}; "
            f"run `dicom-node models train {job.recipe.name}`"
        )
    return Measured(job.recipe, tasks.of(job).evaluate(job, folder), trained)


def every(data: Path, root: Path, progress: Progress) -> tuple[Measured, ...]:
    """Measure what published recipes have made, beside the figures of the shipped models' cards.

    A card's figures are those of its weights, which it names by hash, and come of the same code.
    A published recipe without weights has no figures; a recipe that another begins with is a stage
    of that other's model.
    """
    names = sorted(file.stem for file in recipe.FOLDER.glob("*.toml"))
    jobs = [replace(tasks.job_for(name, data, root), progress=progress) for name in names]
    stages = {job.recipe.start for job in jobs}
    found = []
    for job in progress.track([j for j in jobs if j.recipe.name not in stages], "evaluating"):
        progress.say(f"evaluating {job.recipe.name}")
        if job.recipe.task == "published":
            found.append(one(job) if kept.read(job) else Measured(job.recipe))
        else:
            found.append(Measured(job.recipe, registry.entry(job.recipe.model).card().figures))
    return tuple(found)


def named(measured: Sequence[Measured], model: str) -> Measured | None:
    """Return what was measured of a registered model."""
    return next((m for m in measured if m.recipe.model == model and m.figures), None)
