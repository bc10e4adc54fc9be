"""Training and evaluation of the chest film model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import backbone, card, imaging, weights
from models.backbone import MobileNet
from models.card import Figure
from models.graph import softmax
from models.imaging import Float
from models.training import cache, calibrate, manifest, metrics, scores
from models.training import job as jobs
from models.training.job import Job, Outcome
from models.training.loop import Fitted, fit, logits
from models.training.manifest import Item

LABELS: Final = ("normal", "bacterial_pneumonia", "viral_pneumonia", "covid19")
_NORMAL, _COVID = 0, 3
_BORDER: Final = 24
"""Width of the strip, of 240, that the borders-only control may see."""


def prepare(pixels: Float) -> Float:
    """Return the canonical film that training images are cut from."""
    return imaging.canonical(pixels).pixels


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Films of one split with what the model says of them."""

    items: Sequence[Item]
    images: NDArray[np.uint8]
    p: NDArray[np.float32]

    @property
    def truth(self) -> NDArray[np.int64]:
        """Return class indices; -1 for labels that the model does not have."""
        known = {name: index for index, name in enumerate(LABELS)}
        return np.array([known.get(item.label, -1) for item in self.items])

    @property
    def groups(self) -> NDArray[np.str_]:
        """Return the patient of each film."""
        return np.array([item.group for item in self.items])

    def where(self, keep: NDArray[np.bool_]) -> "Read":
        """Return the films for which ``keep`` holds."""
        return Read(
            [item for item, kept in zip(self.items, keep, strict=True) if kept],
            self.images[keep],
            self.p[keep],
        )

    def of(self, **wanted: object) -> "Read":
        """Return the films whose attributes equal ``wanted``."""
        return self.where(
            np.array(
                [all(getattr(i, k) == v for k, v in wanted.items()) for i in self.items], dtype=bool
            )
        )

    def labelled(self, *labels: str) -> "Read":
        """Return the films with one of these labels."""
        return self.where(np.array([item.label in labels for item in self.items], dtype=bool))


def _four_classes(read: Read, on: str) -> Figure:
    statistic = metrics.balanced_accuracy(read.p, read.truth)
    return metrics.figure("balanced accuracy, four classes", on, statistic, read.groups)


def _against_normal(read: Read, name: str, on: str) -> Figure:
    """AUC of anything but normal against normal."""
    score = 1.0 - read.p[:, _NORMAL]
    return metrics.figure(name, on, metrics.auc(score, read.truth != _NORMAL), read.groups)


def _covid_against_normal(read: Read, on: str) -> Figure:
    pair = read.labelled("normal", "covid19")
    score = pair.p[:, _COVID] / np.maximum(pair.p[:, _COVID] + pair.p[:, _NORMAL], 1e-9)
    statistic = metrics.auc(score, pair.truth == _COVID)
    return metrics.figure("AUC, COVID-19 against normal", on, statistic, pair.groups)


def _at_threshold(read: Read, threshold: float) -> tuple[Figure, ...]:
    said = read.p[:, _COVID] >= threshold
    sick = read.labelled("covid19")
    well = read.where(read.truth != _COVID)
    on = f"core test, threshold {threshold:.3f}"
    return (
        metrics.figure(
            "sensitivity for COVID-19", on, metrics.rate(said[read.truth == _COVID]), sick.groups
        ),
        metrics.figure(
            "specificity for COVID-19", on, metrics.rate(~said[read.truth != _COVID]), well.groups
        ),
    )


def _three_classes(read: Read) -> Figure:
    on = "kermany224 test (children)"
    statistic = metrics.accuracy(read.p[:, :_COVID], read.truth)
    return metrics.figure("accuracy, three classes", on, statistic, read.groups)


def _recalls(read: Read) -> list[Figure]:
    figures = []
    for adult, who in ((False, "children"), (True, "adults")):
        for index, label in enumerate(LABELS):
            mine = read.of(adult=adult, label=label)
            if mine.items:
                right = mine.p.argmax(axis=1) == index
                figures.append(
                    metrics.figure(
                        f"recall of {label}", f"core test, {who}", metrics.rate(right), mine.groups
                    )
                )
    return figures


def figures(test: Read, covid_threshold: float) -> tuple[Figure, ...]:
    """Return every figure of the card that follows from the test split."""
    core = test.of(set="core").labelled(*LABELS)
    kermany = test.of(set="kermany224")
    nih = test.of(set="nih256")
    ece = metrics.expected_calibration_error(core.p, core.truth)
    return (
        _four_classes(core, "core test"),
        _four_classes(core.of(adult=False), "core test, children (no COVID-19 among them)"),
        _four_classes(core.of(adult=True), "core test, adults"),
        _covid_against_normal(core, "core test"),
        _covid_against_normal(core.of(adult=True), "core test, adults only"),
        *_at_threshold(core, covid_threshold),
        _three_classes(kermany),
        _against_normal(kermany, "AUC, pneumonia against normal", "kermany224 test (children)"),
        _against_normal(nih, "AUC, labelled pneumonia against normal", "nih256 test (adults)"),
        metrics.figure("expected calibration error", "core test", ece, core.groups),
        *_recalls(core),
    )


def _strip(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the outer strip of canonical films, coarsely, as flat features."""
    coarse = images.reshape(len(images), 30, 8, 30, 8).mean(axis=(2, 4))
    inner = slice(_BORDER // 8, -_BORDER // 8)
    outside = np.ones((30, 30), dtype=bool)
    outside[inner, inner] = False
    return np.asarray(coarse[:, outside] / 255.0, dtype=np.float32)


def _without_centre(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return films whose central three quarters, where the lungs are, hold one grey."""
    covered = images.copy()
    covered[:, 30:210, 30:210] = 128
    return covered


def controls(
    network: MobileNet, items: Sequence[Item], images: NDArray[np.uint8]
) -> tuple[Figure, ...]:
    """Return what can be told without the lungs: the shortcut, and how far the model takes it."""
    chosen = {
        split: np.array(
            [
                index
                for index, item in enumerate(items)
                if item.split == split and item.set == "core" and item.label in LABELS
            ]
        )
        for split in ("train", "test")
    }
    truth = {k: np.array([LABELS.index(items[i].label) for i in v]) for k, v in chosen.items()}
    linear = metrics.linear_balanced_accuracy(
        (_strip(images[chosen["train"]]), truth["train"]),
        (_strip(images[chosen["test"]]), truth["test"]),
    )
    blind = logits(network, _without_centre(images[chosen["test"]]), jobs.centred)
    groups = np.array([items[i].group for i in chosen["test"]])
    return (
        Figure(
            name="control: linear classifier on the prepared film's border alone",
            on="core test, balanced accuracy over four classes",
            value=round(linear, 4),
            n=len(groups),
        ),
        metrics.figure(
            "control: this model with the central three quarters painted over",
            "core test, balanced accuracy over four classes",
            metrics.balanced_accuracy(blind, truth["test"]),
            groups,
        ),
    )


def gather(job: Job) -> tuple[tuple[Item, ...], NDArray[np.uint8]]:
    """Return every film with its prepared image."""
    items = manifest.films(job.data)
    file = job.cache / "cxr.npy"
    images = cache.prepared(items, prepare, imaging.CANONICAL_EDGE, file, job.progress)
    return items, images


def run(job: Job) -> Path:
    """Train, calibrate on val, measure on test; return the folder of the finished model."""
    items, images = gather(job)
    jobs.seed(job)
    train = jobs.part(job, items, images, LABELS, "train")
    val = jobs.part(job, items, images, LABELS, "val")
    network = backbone.pretrained(job.backbone, len(LABELS), job.recipe.fitting.dropout)
    return finish(job, fit(network.to(job.device), jobs.plan(job, train, val), job.progress))


def finish(job: Job, fitted: Fitted) -> Path:
    """Calibrate, measure and save a fitted network."""
    items, images = gather(job)
    val = jobs.part(job, items, images, LABELS, "val")
    raw = logits(fitted.network, val.images, jobs.centred)
    warmth = scores.temperature(raw, val)
    points = calibrate.labels(LABELS, raw, val, warmth)
    outcome = Outcome(
        labels=points,
        operating={"temperature": warmth},
        figures=measure(job, fitted.network, warmth, points[_COVID].threshold),
        history=tuple(fitted.history),
    )
    return jobs.save(job, jobs.network_tensors(fitted.network), outcome)


def measure(
    job: Job, network: MobileNet, warmth: float, covid_threshold: float
) -> tuple[Figure, ...]:
    """Return every figure of the card, on the test split, with the controls."""
    items, images = gather(job)
    held_out = [index for index, item in enumerate(items) if item.split == "test"]
    p = softmax(logits(network, images[held_out], jobs.centred), warmth)
    test = Read([items[index] for index in held_out], images[held_out], p)
    return figures(test, covid_threshold) + controls(network, items, images)


def evaluate(job: Job, folder: Path) -> tuple[Figure, ...]:
    """Measure a finished model anew."""
    known = card.load(folder)
    network = MobileNet(len(LABELS))
    weights.fill(network, weights.read(folder, known.weights), known.weights.file)
    return measure(job, network, known.temperature, known.labels[_COVID].threshold)
