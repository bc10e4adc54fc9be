"""From slice probabilities to one series probability."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

LEAST_SHARE: Final = 0.10
"""A lung slice has lung on both sides and at least this part of the body's cross-section."""
MOST_SLICES: Final = 64
"""At most so many lung slices are read, evenly spread: bounds the time of thin-slice series."""
CARRYING_PART: Final = 0.25
"""The series probability is the mean over this part of the read slices, the most probable."""
LEAST_CARRYING: Final = 3


def spread(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most ``most`` of ``indices``, evenly spread, ends included."""
    if len(indices) <= most:
        return indices
    return indices[np.round(np.linspace(0, len(indices) - 1, most)).astype(np.int64)]


def carrying(slices: Float) -> NDArray[np.int64]:
    """Return positions of the slices that carry the result, most probable first."""
    count = min(len(slices), max(LEAST_CARRYING, round(CARRYING_PART * len(slices))))
    return np.argsort(-slices, kind="stable")[:count]


def probability(slices: Float) -> float:
    """Return the series probability of slice probabilities (n,), n >= 1.

    The mean of the upper quarter: one odd slice cannot make a series positive, and disease
    that fills only a part of the lungs is not averaged away.
    """
    return float(slices[carrying(slices)].mean())
