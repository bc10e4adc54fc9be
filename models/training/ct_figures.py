"""What is measured on single CT slices, and what a model could know without the lungs."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.card import Figure, Label
from models.imaging import Float, resize
from models.training import cache, metrics, mistakes
from models.training import figures as pictures
from models.training.ct_slices import COVID, Slices
from models.training.draws import Prepare, tensor
from models.training.loop import logits
from models.training.manifest import Item
from models.training.progress import Progress

TEST: Final = "COVID-CT official test, single slices"
_THUMB: Final = 32
_BINS: Final = 32
_STRIP: Final = 4
_LUNG_GREY: Final = 0.15
_OUTSIDE: Final = 0.5


def figures(p: NDArray[np.float32], slices: Slices, point: Label, on: str) -> tuple[Figure, ...]:
    """Return the figures of slice probabilities (n, 2), with intervals by paper."""
    truth, groups = slices.truth, slices.groups
    positive = truth == COVID
    score = p[:, COVID]
    said = score >= point.threshold
    sick, well = groups[positive], groups[~positive]
    at = f"{on}, threshold {point.threshold:.3f}"
    ece = metrics.expected_calibration_error(p, truth)
    return (
        metrics.figure("AUC, COVID-19 against other", on, metrics.auc(score, positive), groups),
        metrics.figure("accuracy", on, metrics.accuracy(p, truth), groups),
        metrics.figure(
            "F1 for COVID-19", on, metrics.f1(p.argmax(axis=1) == COVID, positive), groups
        ),
        metrics.figure("sensitivity for COVID-19", at, metrics.rate(said[positive]), sick),
        metrics.figure("specificity for COVID-19", at, metrics.rate(~said[~positive]), well),
        metrics.figure("expected calibration error", on, ece, groups),
    )


def _cues(item: Item, pixels: Float) -> Float:
    """Return what a figure tells without its lungs: size, compression, greys, outer strip."""
    rows, columns = pixels.shape
    thumb = resize(pixels, _THUMB, _THUMB)
    outside = np.ones(thumb.shape, dtype=bool)
    outside[_STRIP:-_STRIP, _STRIP:-_STRIP] = False
    counts, _ = np.histogram(pixels, bins=_BINS, range=(0.0, 1.0))
    shape = [rows, columns, rows / columns, item.file.stat().st_size / pixels.size]
    return np.concatenate([shape, counts / pixels.size, thumb[outside]]).astype(np.float32)


def _without_lungs(items: Sequence[Item], progress: Progress) -> tuple[Float, NDArray[np.float32]]:
    """Return each item's outline (n, 216, 216), and what is told without the lungs (n, cues)."""
    shown, cues = [], []
    for item in progress.track(items, "controls"):
        pixels = cache.read_grey(item.file)
        shown.append(pictures.seen(pixels).shown)
        cues.append(_cues(item, pixels))
    return np.stack(shown), np.stack(cues)


def controls(
    network: nn.Module, slices: Slices, prepare: Prepare, progress: Progress
) -> tuple[Figure, ...]:
    """Return what can be told without the lungs, how far the model takes it, where it looks."""
    figures = slices.where(np.array([item.set == "slices" for item in slices.items]))
    shown, cues = _without_lungs(figures.items, progress)
    tested = np.array([item.split == "test" for item in figures.items])
    test, outlines = figures.of("test"), shown[tested]
    linear = metrics.linear_balanced_accuracy(
        (cues[~tested], figures.truth[~tested]), (cues[tested], test.truth)
    )
    flat = np.round((1.0 - outlines * (1.0 - _LUNG_GREY)) * 255.0).astype(np.uint8)
    blind = logits(network, flat, prepare)
    score = blind[:, COVID] - blind[:, 1 - COVID]
    return (
        Figure(
            name="control: linear classifier on a figure's size, compression, greys and border",
            on=f"{TEST}, balanced accuracy",
            value=round(linear, 4),
            n=len(test.items),
        ),
        metrics.figure(
            "control: AUC of this model with the lungs painted in one grey",
            TEST,
            metrics.auc(score, test.truth == COVID),
            test.groups,
        ),
        _energy(network, test, outlines, prepare),
    )


def _energy(network: nn.Module, test: Slices, outlines: Float, prepare: Prepare) -> Figure:
    """Return how much of the evidence lies inside the outline, where there is one."""
    found = outlines.min(axis=(1, 2)) < _OUTSIDE
    images = prepare(tensor(test.images[found]))
    inside = prepare(tensor(np.round(outlines[found] * 255.0).astype(np.uint8)))[:, 0].numpy()
    said = np.full(len(images), COVID, dtype=np.int64)
    evidence = np.stack(mistakes.grad_cam(network, images, said))
    total = evidence.sum(axis=(1, 2))
    share = (evidence * inside).sum(axis=(1, 2)) / np.maximum(total, 1e-9)
    share = share[total > 0]
    return metrics.figure(
        "Grad-CAM energy inside the lungs' outline, mean",
        f"{TEST}, where an outline was found",
        lambda chosen: float(share[chosen].mean()),
        test.groups[found][total > 0],
    )
