"""The HTML report of a published recipe."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.card import Figure
from models.training import mistakes, report
from models.training.job import Job
from models.training.loop import Course
from models.training.published.cohort import Cohort
from models.training.published.kept import Trained
from models.training.published.measures import Judged
from models.training.published.networks import PublishedNetwork


def parts_of(
    cohort: Cohort, judged: Judged, images: NDArray[np.uint8]
) -> list[tuple[report.Part, NDArray[np.uint8]]]:
    """Return what is reported on, each with its images; parts without images are left out."""
    sizes = {
        "validation, as published": len(cohort.validation),
        "test, as published": len(cohort.test),
        "other patients": len(cohort.strangers),
    }
    found, start = [], 0
    for name, size in sizes.items():
        mine = slice(start, start + size)
        start += size
        if size:
            part = report.part_of(name, judged.labels, judged.items[mine], judged.p[mine])
            found.append((part, images[mine]))
    return found


def write(
    job: Job,
    network: PublishedNetwork,
    parts: Sequence[tuple[report.Part, NDArray[np.uint8]]],
    *,
    trained: Trained,
    course: Course,
    figures: tuple[Figure, ...],
) -> None:
    """Write report.html: curves, confusion, the worst errors and what moved the network."""
    section = job.recipe.publication
    seconds = sum(epoch.seconds for epoch in course.history)
    report.write(
        job.output / report.FILE,
        report.Report(
            title=f"{section.title}, recipe {job.recipe.name}",
            machine=report.machine(job.device, seconds),
            figures=figures,
            summary=f"{section.source}. Ran on {trained.backbone} for {trained.passes:g} of "
            f"{section.passes} epochs.",
            weights_sha256=trained.weights.sha256,
            settings=report.settings(job.recipe),
            history=tuple(course.history),
            ended=trained.ended,
            select=job.recipe.fitting.select,
            parts=tuple(part for part, _ in parts),
            errors=tuple(
                error
                for part, images in parts
                for error in mistakes.explained(
                    part, network=network, images=images, prepare=Tensor.contiguous
                )
            ),
            limits=section.notes,
        ),
    )
