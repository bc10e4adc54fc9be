"""What a trained published recipe leaves behind: weights, and metrics.json beside them."""

import json
from dataclasses import asdict
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from dicom_node.errors import ModelError, SettingsError
from models import weights
from models.card import Figure, Weights
from models.training.job import Job
from models.training.loop import Course
from models.training.published.networks import PublishedNetwork, empty
from models.training.published.section import BackboneName
from models.training.recipe import Recipe

METRICS: Final = "metrics.json"
WEIGHTS: Final = "weights.safetensors"


class Trained(BaseModel):
    """How a finished run went; ``passes``: how often training saw each image, on average."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    recipe: Recipe
    backbone: BackboneName
    weights: Weights
    passes: float
    ended: str
    minutes: float

    def of(self, recipe: Recipe) -> bool:
        """Return whether ``recipe`` would train in the same way; its words may differ."""
        mine, theirs = self.recipe, recipe
        same = (mine.seed, mine.fitting, mine.pretrained) == (
            theirs.seed,
            theirs.fitting,
            theirs.pretrained,
        )
        return same and mine.publication.wordless == theirs.publication.wordless


def save(job: Job, network: PublishedNetwork, course: Course, images: int) -> Trained:
    """Write the weights of a network that was trained on ``images``; return how it went."""
    job.output.mkdir(parents=True, exist_ok=True)
    digest = weights.write(job.output / WEIGHTS, dict(network.state_dict()))
    seen = len(course.history) * (job.recipe.fitting.images_per_epoch or images)
    return Trained(
        recipe=job.recipe,
        backbone=network.name,
        weights=Weights(file=WEIGHTS, sha256=digest),
        passes=round(seen / images, 2),
        ended=course.ended,
        minutes=round(sum(epoch.seconds for epoch in course.history) / 60, 1),
    )


def write(job: Job, trained: Trained, course: Course, figures: tuple[Figure, ...]) -> None:
    """Write metrics.json."""
    told = {
        **trained.model_dump(mode="json"),
        "figures": [figure.model_dump() for figure in figures],
        "history": [asdict(epoch) for epoch in course.history],
    }
    (job.output / METRICS).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def read(job: Job) -> Trained | None:
    """Return how the run of a recipe went, None where it was not trained here.

    Raises ModelError where metrics.json is not what training wrote.
    """
    file = job.output / METRICS
    if not file.is_file():
        return None
    try:
        return Trained.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as exc:
        raise ModelError(f"{file} is not what training wrote: {exc}") from exc


def load(job: Job) -> PublishedNetwork:
    """Return the trained network of a recipe; raise SettingsError where there is none.

    Raises WeightsMismatch where the weights are not those of metrics.json.
    """
    trained = read(job)
    if trained is None:
        raise SettingsError(
            f"{job.recipe.name} is not trained in {job.output.parent}; "
            f"run `dicom-node models train {job.recipe.name}`"
        )
    section, name = job.recipe.publication, trained.backbone
    network = PublishedNetwork(name, empty(name), section, job.recipe.fitting.dropout)
    tensors = weights.read(job.output, trained.weights)
    weights.fill(network, tensors, trained.weights.file)
    return network.to(job.device)
