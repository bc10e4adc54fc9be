"""A recipe's published figures, measured here on three sets of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.card import Figure
from models.training import metrics
from models.training.manifest import Item
from models.training.metrics import Index, Probabilities, Statistic
from models.training.published.cohort import Cohort
from models.training.published.section import Claim

SAME: Final = "as published"
UNSEEN: Final = "without patients of training"
STRANGERS: Final = "other patients"


def name_of(claim: Claim) -> str:
    """Return a published figure's name."""
    what = {
        "accuracy": "accuracy",
        "recall": f"recall of {claim.label}",
        "f1": f"F1 of {claim.label}",
        "auc": f"AUC of {claim.label}",
    }
    return f"{what[claim.metric]}, {claim.on}"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Images with the probabilities (n, labels) that a network gives them."""

    items: tuple[Item, ...]
    p: Probabilities
    labels: tuple[str, ...]

    @property
    def truth(self) -> Index:
        """Return class indices."""
        return np.array([self.labels.index(item.label) for item in self.items], dtype=np.int64)

    @property
    def groups(self) -> NDArray[np.str_]:
        """Return the patient of each image."""
        return np.array([item.group for item in self.items])

    def where(self, keep: NDArray[np.bool_]) -> "Judged":
        """Return the images for which ``keep`` holds."""
        chosen = tuple(item for item, kept in zip(self.items, keep, strict=True) if kept)
        return Judged(chosen, self.p[keep], self.labels)


def _statistic(claim: Claim, judged: Judged) -> Statistic:
    if claim.metric == "accuracy":
        return metrics.accuracy(judged.p, judged.truth)
    label = judged.labels.index(claim.label)
    positive, said = judged.truth == label, judged.p.argmax(axis=1) == label
    if claim.metric == "recall":
        return metrics.rate(said)
    if claim.metric == "f1":
        return metrics.f1(said, positive)
    return metrics.auc(judged.p[:, label], positive)


def _figure(claim: Claim, judged: Judged, on: str) -> list[Figure]:
    """Return the claim's figure, or nothing where no image is left to measure it on."""
    if claim.metric == "recall":
        judged = judged.where(judged.truth == judged.labels.index(claim.label))
    classes = len(set(judged.truth.tolist()))
    if not judged.items or (claim.metric in {"auc", "f1"} and classes == 1):
        return []
    return [metrics.figure(name_of(claim), on, _statistic(claim, judged), judged.groups)]


def figures(claims: Sequence[Claim], cohort: Cohort, judged: Judged) -> tuple[Figure, ...]:
    """Return every claim's figures; ``judged`` holds the images of the cohort but training's."""
    start = len(cohort.validation)
    end = start + len(cohort.test)
    at = np.arange(len(judged.items))
    strangers = judged.where(at >= end)
    found: list[Figure] = []
    for claim in claims:
        mine = at < start if claim.on == "validation" else (at >= start) & (at < end)
        same = judged.where(mine)
        found += _figure(claim, same, SAME)
        found += _figure(claim, same.where(cohort.unseen(same.items)), UNSEEN)
        found += _figure(claim, strangers, STRANGERS)
    return tuple(found)
