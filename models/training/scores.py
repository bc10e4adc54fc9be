"""Weighted scores of a split: what training selects by, and what calibration minimises."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Images (n, edge, edge) uint8 with class indices and weights that sum to 1."""

    images: NDArray[np.uint8]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]


def weighted_loss(raw: NDArray[np.float32], part: Part) -> float:
    """Return the weighted mean negative log-likelihood."""
    shifted = raw.astype(np.float64) - raw.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(log_p[np.arange(len(raw)), part.targets] * part.weights).sum())


def weighted_balanced_accuracy(raw: NDArray[np.float32], part: Part) -> float:
    """Return the mean over classes of the weighted recall."""
    right = raw.argmax(axis=1) == part.targets
    recalls = []
    for label in np.unique(part.targets):
        mine = part.targets == label
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
