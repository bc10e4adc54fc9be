"""Tools for testing what heatmaps depend on: other weights, other cards, likeness, painting."""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy import ndimage, stats
from torch import Tensor

from dicom_node.domain import Heatmap, Prediction, Sample, StudyKind
from dicom_node.ports import Classifier
from models import lungs, weights
from models.card import Label, ModelCard
from models.ct_lite.series import LEAST_SHARE
from models.imaging import Float
from models.registry import Entry
from models.training import volumes
from models.training.manifest import films
from tests.model_inputs import film, jpeg

Change = Callable[[dict[str, Tensor]], None]

_GRID = 32
_FILMS = 16
_SLICES = 3
"""So few slices that every one of them carries the result and is drawn."""


def keep(_: dict[str, Tensor]) -> None:
    """Change nothing."""


def add_to_all_logits(tensors: dict[str, Tensor]) -> None:
    """Add the same, image after image, to the logit of every class."""
    head = _head(tensors)
    tensors[head] = tensors[head] + 0.05 * torch.linspace(-1, 1, tensors[head].shape[1])
    bias = head.replace("weight", "bias")
    tensors[bias] = tensors[bias] + 7.0


def _head(tensors: dict[str, Tensor]) -> str:
    (name,) = [n for n, t in tensors.items() if n.endswith("weight") and t.ndim == 2]
    return name


def shuffle(share: float, seed: int) -> Change:
    """Return a change that puts the head's weights into random order, and those of ``share`` of
    the convolutions, from the last one down (Adebayo et al. 2018: cascading randomisation)."""

    def change(tensors: dict[str, Tensor]) -> None:
        random = torch.Generator().manual_seed(seed)
        convolutions = sorted((n for n, t in tensors.items() if t.ndim == 4), key=_depth)
        count = round(share * len(convolutions))
        for name in [_head(tensors), *convolutions[len(convolutions) - count :]]:
            order = torch.randperm(tensors[name].numel(), generator=random)
            tensors[name] = tensors[name].flatten()[order].reshape(tensors[name].shape)

    return change


def _depth(name: str) -> list[int]:
    return [int(part) for part in name.split(".") if part.isdigit()]


def shown(card: ModelCard) -> str:
    """Return the label whose heatmaps are compared: the last of the card."""
    return card.labels[-1].label


def _draw_only(card: ModelCard) -> tuple[Label, ...]:
    """Return labels of which only one can ever be present, and always is."""
    return tuple(
        label.model_copy(
            update={"threshold": at, "absent_below": at, "present_from": at},
        )
        for label in card.labels
        for at in (0.0 if label.label == shown(card) else 1.0,)
    )


def opened(entry: Entry, folder: Path, change: Change) -> Classifier:
    """Load a model with changed weights, made to draw the evidence of one label always."""
    card = entry.card()
    tensors = load_file(entry.folder / card.weights.file)
    change(tensors)
    folder.mkdir(parents=True, exist_ok=True)
    digest = weights.write(folder / card.weights.file, tensors)
    named = card.weights.model_copy(update={"sha256": digest})
    other = card.model_copy(update={"weights": named, "labels": _draw_only(card)})
    return cast("Classifier", importlib.import_module(entry.module).load(folder, other, "cpu"))


def probability(prediction: Prediction, label: str) -> float:
    """Return the probability of one finding."""
    return next(f.probability for f in prediction.findings if f.label == label)


def pairs(one: Prediction, other: Prediction) -> list[tuple[Heatmap, Heatmap]]:
    """Return the heatmaps of the same images."""
    known = {heatmap.source: heatmap for heatmap in other.heatmaps}
    return [(h, known[h.source]) for h in one.heatmaps if h.source in known]


def likeness(one: Float, other: Float) -> float:
    """Return Spearman's rank correlation where either map shows evidence; 0 for a flat one."""
    if not one.any() or not other.any():
        return 0.0
    rows, columns = np.nonzero((one > 0) | (other > 0))
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    step = max(1, max(one[window].shape) // _GRID)
    first, second = one[window][::step, ::step], other[window][::step, ::step]
    used = (first > 0) | (second > 0)
    if used.sum() < 3 or np.ptp(first[used]) == 0 or np.ptp(second[used]) == 0:
        return 0.0
    return float(stats.spearmanr(first[used], second[used]).statistic)


def one_sided(heatmap: Float) -> Float:
    """Return what of a map differs between left and right; a mirrored map gives the negative."""
    return heatmap - heatmap[:, ::-1]


def agreement(one: Float, other: Float) -> float:
    """Return the correlation of two signed maps; 0 where one is flat."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def log_odds(probability_: float) -> float:
    """Return log odds, kept finite."""
    kept = min(max(probability_, 1e-4), 1.0 - 1e-4)
    return float(np.log(kept / (1.0 - kept)))


def flipped(sample: Sample) -> Sample:
    """Return a sample with left and right exchanged."""
    return replace(sample, pixels=np.ascontiguousarray(sample.pixels[..., ::-1]))


def _films(data: Path, count: int) -> list[Sample]:
    chosen = [
        item
        for item in films(data)
        if (item.set, item.split, item.label) == ("core", "test", "covid19")
    ]
    return [film(jpeg(item.file)) for item in chosen[:: max(1, len(chosen) // count)][:count]]


def _triples(data: Path) -> Iterator[Sample]:
    """Yield groups of lung slices of the volumes with COVID-19, each as a series of its own."""
    for name in volumes.names(data):
        volume = volumes.read(data, name)
        if volume.label != "covid19":
            continue
        sample = volume.sample
        with_lung = lungs.find(sample).slices(LEAST_SHARE)
        for first in range(0, len(with_lung) - _SLICES + 1, 2):
            index = with_lung[first : first + _SLICES]
            place = sample.geometry
            positions = tuple(place.positions_mm[int(one)] for one in index)
            yield replace(
                sample,
                pixels=sample.pixels[index],
                geometry=replace(place, positions_mm=positions),
                sources=tuple(sample.sources[int(one)] for one in index),
            )


def real_samples(kind: StudyKind, data: Path) -> list[Sample]:
    """Return real films with COVID-19, or short series of real lung slices with it."""
    return _films(data, _FILMS) if kind is StudyKind.CXR else list(_triples(data))


def strongest(weights_: Float, share: float) -> NDArray[np.bool_]:
    """Return the place of the highest evidence: ``share`` of the window that holds any."""
    rows, columns = np.nonzero(weights_ > 0)
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    mask = np.zeros(weights_.shape, dtype=np.bool_)
    mask[window] = weights_[window] > np.quantile(weights_[window], 1.0 - share)
    return mask


def elsewhere(mask: NDArray[np.bool_], weights_: Float, random: np.random.Generator) -> (
    NDArray[np.bool_]
):  # fmt: skip
    """Return the same shape at a random place of the window that holds any evidence."""
    rows, columns = np.nonzero(weights_ > 0)
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    moved = np.zeros_like(mask)
    by = tuple(int(random.integers(size)) for size in mask[window].shape)
    moved[window] = np.roll(mask[window], by, axis=(0, 1))
    return moved


def painted(sample: Sample, masks: dict[int, NDArray[np.bool_]]) -> Sample:
    """Return a sample in which places of some images are blurred beyond recognition."""
    planes = np.atleast_3d(sample.pixels.T).T.copy()
    for index, mask in masks.items():
        blurred = ndimage.gaussian_filter(planes[index], max(planes[index].shape) / 16)
        planes[index][mask] = blurred[mask]
    return replace(sample, pixels=planes.reshape(sample.pixels.shape))
