"""Training and evaluation of the CT model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from models import backbone, card, imaging, lungs, registry, weights
from models.backbone import Backbone, MobileNet
from models.card import Figure, Label
from models.ct_mobilenet import preprocess, series
from models.ct_mobilenet.model import CtMobileNet
from models.graph import softmax
from models.training import cache, calibrate, manifest, metrics, scores, volumes
from models.training import job as jobs
from models.training.job import Job, Outcome
from models.training.loop import Fitted, fit, logits
from models.training.manifest import Item

CLASSES: Final = ("non_covid", "covid19")
_COVID: Final = 1
TRAINING_VOLUMES: Final = ("P002", "cap002", "normal002")
"""Series that no archive can hold, so that the three sound ones stay for the test."""
SOUND_VOLUMES: Final = ("P001", "cap001", "normal001")


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Prepared slices with what is known of each."""

    items: Sequence[Item]
    images: NDArray[np.uint8]


def _volume_slices(data: Path, name: str) -> Slices:
    """Return the lung slices of a training volume; of a sick one only those marked infected."""
    volume = volumes.read(data, name)
    found = lungs.find(volume.sample)
    items, images = [], []
    sick = volume.label == "covid19"
    for index in found.slices(series.LEAST_SHARE):
        if sick and not volume.infected[index]:
            continue
        plane = preprocess.windowed(volume.sample.pixels[index])
        squared = imaging.squared(plane, found.box(int(index), preprocess.MARGIN))
        images.append(np.round(squared.pixels * 255.0).astype(np.uint8))
        items.append(
            Item(
                id=f"{name}-{index}",
                file=data / "ct" / "volumes" / name,
                label="covid19" if sick else "non_covid",
                split="train",
                set="volumes",
                source="COVID-CT-MD",
                adult=True,
                view="axial",
                group=name,
                official="",
            )
        )
    return Slices(items, np.stack(images))


def gather(job: Job) -> Slices:
    """Return figures (split as published) and training volumes, prepared."""
    figures = [replace(item, split=item.official) for item in manifest.slices(job.data)]
    images = cache.prepared(
        figures,
        preprocess.prepare_figure,
        imaging.CANONICAL_EDGE,
        job.cache / "ct.npy",
        job.progress,
    )
    parts = [Slices(figures, images)]
    parts += [_volume_slices(job.data, name) for name in TRAINING_VOLUMES]
    return Slices(
        [item for part in parts for item in part.items],
        np.concatenate([part.images for part in parts]),
    )


def run(job: Job) -> Path:
    """Train, calibrate on val, measure on test; return the folder of the finished model."""
    slices = gather(job)
    jobs.seed(job)
    train = jobs.part(job, slices.items, slices.images, CLASSES, "train")
    val = jobs.part(job, slices.items, slices.images, CLASSES, "val")
    network = backbone.pretrained(job.backbone, len(CLASSES), job.recipe.fitting.dropout)
    fitted = fit(network.to(job.device), jobs.plan(job, train, val), job.progress)
    return finish(job, fitted, slices)


def finish(job: Job, fitted: Fitted, slices: Slices) -> Path:
    """Calibrate, measure and save a fitted network."""
    val = jobs.part(job, slices.items, slices.images, CLASSES, "val")
    raw = logits(fitted.network, val.images, jobs.centred)
    warmth = scores.temperature(raw, val)
    point = calibrate.labels(CLASSES, raw, val, warmth, only=_COVID)[0]
    outcome = Outcome(
        labels=(point,),
        operating={"temperature": warmth},
        figures=_slice_figures(fitted.network, slices, warmth, point),
        history=tuple(fitted.history),
    )
    tensors = jobs.network_tensors(fitted.network)
    return jobs.save(job, tensors, outcome, lambda folder: series_figures(job.data, folder))


def evaluate(job: Job, folder: Path) -> tuple[Figure, ...]:
    """Measure a finished model anew."""
    known = card.load(folder)
    network = MobileNet(len(CLASSES))
    weights.fill(network, weights.read(folder, known.weights), known.weights.file)
    on_slices = _slice_figures(network, gather(job), known.temperature, known.labels[0])
    return on_slices + series_figures(job.data, folder)


def _slice_figures(
    network: Backbone, slices: Slices, warmth: float, point: Label
) -> tuple[Figure, ...]:
    """Return figures on the official test split of single slices, and without shared papers."""
    test = [i for i, item in enumerate(slices.items) if item.split == "test"]
    p = softmax(logits(network, slices.images[test], jobs.centred), warmth)
    truth = np.array([CLASSES.index(slices.items[i].label) for i in test])
    groups = np.array([slices.items[i].group for i in test])
    seen = {item.group for item in slices.items if item.split in {"train", "val"}}
    fresh = np.array([group not in seen for group in groups])
    found = _figures(p, truth, groups, point, "COVID-CT official test, single slices")
    if len(np.unique(truth[fresh])) == len(CLASSES):
        found += _figures(
            p[fresh], truth[fresh], groups[fresh], point, "the same, unseen papers only"
        )
    return found


def _figures(
    p: NDArray[np.float32],
    truth: NDArray[np.int64],
    groups: NDArray[np.str_],
    point: Label,
    on: str,
) -> tuple[Figure, ...]:
    positive = truth == _COVID
    score = p[:, _COVID]
    said = score >= point.threshold
    sick, well = groups[positive], groups[~positive]
    at = f"{on}, threshold {point.threshold:.3f}"
    ece = metrics.expected_calibration_error(p, truth)
    return (
        metrics.figure("AUC, COVID-19 against other", on, metrics.auc(score, positive), groups),
        metrics.figure("accuracy", on, metrics.accuracy(p, truth), groups),
        metrics.figure(
            "F1 for COVID-19", on, metrics.f1(p.argmax(axis=1) == _COVID, positive), groups
        ),
        metrics.figure("sensitivity for COVID-19", at, metrics.rate(said[positive]), sick),
        metrics.figure("specificity for COVID-19", at, metrics.rate(~said[~positive]), well),
        metrics.figure("expected calibration error", on, ece, groups),
    )


def series_figures(data: Path, folder: Path) -> tuple[Figure, ...]:
    """Return the series probability of each sound volume: three patients, no statistics."""
    where = registry.Entry(folder, registry.entry("ct-mobilenet").module)
    model = cast("CtMobileNet", registry.open_model(where, "cpu"))
    found = []
    for name in SOUND_VOLUMES:
        volume = volumes.read(data, name)
        finding = model.predict(volume.sample).findings[0]
        found.append(
            Figure(
                name=f"series probability of COVID-19, {name} (truth: {volume.label})",
                on="one sound volume",
                value=round(finding.probability, 4),
                n=1,
            )
        )
    return tuple(found)
