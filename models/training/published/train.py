"""Training a published recipe, and measuring what comes of it."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dicom_node.errors import SettingsError
from models import imaging
from models.card import Figure
from models.graph import softmax
from models.imaging import Float
from models.training import cache, loop
from models.training import job as jobs
from models.training.draws import tensor
from models.training.job import Job
from models.training.loop import Plan, logits
from models.training.manifest import Item
from models.training.published import cohort as cohorts
from models.training.published import kept, measures, networks, page
from models.training.published.cohort import Cohort
from models.training.published.distort import distort
from models.training.published.measures import Judged
from models.training.published.networks import PublishedNetwork
from models.training.published.section import Published
from models.training.scores import Part

_STATISTICS: Final = 128
"""Images that the batch norms' statistics are taken from."""


def _prepared(job: Job, section: Published, cohort: Cohort) -> NDArray[np.uint8]:
    """Return all images of the cohort, plainly resized, as these recipes did."""

    def prepare(pixels: Float) -> Float:
        return imaging.resize(pixels, section.edge, section.edge)

    file = job.cache / "published.npy"
    return cache.prepared(cohort.everything, prepare, section.edge, file, job.progress)


def _part(items: tuple[Item, ...], images: NDArray[np.uint8], section: Published) -> Part:
    allowed = [[label == item.label for label in section.labels] for item in items]
    return Part(images, np.array(allowed), np.full(len(items), 1.0 / len(items)))


def _plan(job: Job, train: Part, val: Part) -> Plan:
    how = job.recipe.publication.distort

    def change(images: Tensor, random: torch.Generator) -> Tensor:
        return distort(images, how, random)

    return Plan(
        fit=job.recipe.fitting,
        train=train,
        val=val,
        change=change,
        prepare=Tensor.contiguous,
        seed=job.recipe.seed,
        checkpoint=job.output / f"checkpoint-{job.recipe.digest}.pt",
    )


def run(job: Job) -> Path:
    """Train as published, without selection on any image; return the folder of the result.

    The curve on validation is that on test where the recipe has no validation, as theirs was.
    Raises SettingsError where sources are held out.
    """
    section = job.recipe.publication
    if job.recipe.exclude_sources:
        raise SettingsError(
            "a published recipe takes the images it was published with, all of them"
        )
    cohort = cohorts.read(job.data, section)
    images = _prepared(job, section, cohort)
    jobs.seed(job)
    first, watched = len(cohort.train), cohort.validation or cohort.test
    train = _part(cohort.train, images[:first], section)
    val = _part(watched, images[first : first + len(watched)], section)

    def some() -> Tensor:
        draw = np.random.default_rng(job.recipe.seed)
        return tensor(train.images[draw.integers(0, first, _STATISTICS)])

    begun = networks.start(section, job.backbone, some, job.progress)
    dropout = job.recipe.fitting.dropout
    network = PublishedNetwork(begun.name, begun.features, section, dropout).to(job.device)
    course = loop.train(network, _plan(job, train, val), job.progress)
    trained = kept.save(job, network, course, first)
    judged = _judged(network, section, cohort, images)
    figures = measures.figures(section.claims, cohort, judged)
    kept.write(job, trained, course, figures)
    parts = page.parts_of(cohort, judged, images[first:])
    page.write(job, network, parts, trained=trained, course=course, figures=figures)
    return job.output


def _judged(
    network: PublishedNetwork, section: Published, cohort: Cohort, images: NDArray[np.uint8]
) -> Judged:
    held_out = len(cohort.train)
    raw = logits(network, images[held_out:], Tensor.contiguous)
    return Judged(cohort.everything[held_out:], softmax(raw, 1.0), section.labels)


def evaluate(job: Job, _folder: Path) -> tuple[Figure, ...]:
    """Measure a trained recipe anew; raise SettingsError where it was not trained here."""
    section = job.recipe.publication
    network = kept.load(job)
    cohort = cohorts.read(job.data, section)
    judged = _judged(network, section, cohort, _prepared(job, section, cohort))
    return measures.figures(section.claims, cohort, judged)
