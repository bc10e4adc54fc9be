"""Weighted scores of a split: what training selects by, and what calibration minimises."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Images (n, edge, edge) uint8 with what each may truly show, and weights that sum to 1.

    ``allowed`` (n, labels) marks the outputs that an image's label leaves open: one for a plain
    label, several where the label says less than the model does ("pneumonia", unspecified).
    """

    images: NDArray[np.uint8]
    allowed: NDArray[np.bool_]
    weights: NDArray[np.float64]

    @property
    def targets(self) -> NDArray[np.int64]:
        """Return class indices, -1 where several are allowed."""
        single = self.allowed.sum(axis=1) == 1
        return np.where(single, self.allowed.argmax(axis=1), -1)

    def without_images(self) -> "Part":
        """Return the labels and weights alone, which are all that scoring needs."""
        return replace(self, images=self.images[:0])


def weighted_loss(raw: NDArray[np.float32], part: Part) -> float:
    """Return the weighted mean of -log of the probability that the allowed outputs share."""
    shifted = raw.astype(np.float64) - raw.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    log_allowed = np.logaddexp.reduce(np.where(part.allowed, log_p, -np.inf), axis=1)
    return float(-(log_allowed * part.weights).sum())


def weighted_balanced_accuracy(raw: NDArray[np.float32], part: Part) -> float:
    """Return the mean over classes of the weighted recall; images of one label alone count."""
    targets = part.targets
    right = raw.argmax(axis=1) == targets
    recalls = []
    for label in np.unique(targets[targets >= 0]):
        mine = targets == label
        recalls.append(np.average(right[mine], weights=part.weights[mine]))
    return float(np.mean(recalls))


def temperature(raw: NDArray[np.float32], part: Part) -> float:
    """Return the softmax temperature with the least weighted loss (Guo et al. 2017)."""
    found = minimize_scalar(
        lambda log_t: weighted_loss(raw / np.float32(np.exp(log_t)), part),
        bounds=(-2.0, 2.0),
        method="bounded",
    )
    return float(np.exp(found.x))


def calibrated_loss(raw: NDArray[np.float32], part: Part) -> float:
    """Return the weighted loss at its best temperature: overconfidence is mended afterwards."""
    return weighted_loss(raw / np.float32(temperature(raw, part)), part)
