"""Operating points, chosen on validation and nowhere else."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.card import Label
from models.graph import softmax
from models.training.scores import Part

SENSITIVITY: Final = 0.90
"""The reported threshold finds this part of the positives of validation."""
RULE_OUT_SENSITIVITY: Final = 0.97
"""Below the point with this sensitivity a finding counts as absent."""
RULE_IN_SPECIFICITY: Final = 0.95
"""From the point with this specificity on a finding counts as present."""


def _quantile(values: NDArray[np.float32], weights: NDArray[np.float64], q: float) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(share, q)), len(values) - 1)])


def operating_point(
    label: str, p: NDArray[np.float32], positive: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Label:
    """Return thresholds for one label from its weighted validation probabilities."""
    found = _quantile(p[positive], weights[positive], 1.0 - SENSITIVITY)
    ruled_out = _quantile(p[positive], weights[positive], 1.0 - RULE_OUT_SENSITIVITY)
    ruled_in = _quantile(p[~positive], weights[~positive], RULE_IN_SPECIFICITY)
    return Label(
        label=label,
        threshold=round(found, 4),
        absent_below=round(min(found, ruled_out), 4),
        present_from=round(max(found, ruled_in), 4),
    )


def labels(
    names: tuple[str, ...],
    raw: NDArray[np.float32],
    part: Part,
    warmth: float,
    only: int | None = None,
) -> tuple[Label, ...]:
    """Return the operating point of every class, or of ``only`` one."""
    p = softmax(raw, warmth)
    return tuple(
        operating_point(name, p[:, index], part.targets == index, part.weights)
        for index, name in enumerate(names)
        if only in {None, index}
    )
