"""The numbers of a report: what its tables list and its charts draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from dicom_node.errors import SettingsError
from models.card import Figure, Label
from models.training import metrics
from models.training.metrics import Index, Probabilities, Statistic
from models.training.results import UNKNOWN, Part
from models.training.watch import Epoch

BINS: Final = 10
SPECIFICITY: Final = 0.95
"""The sensitivity is told at this specificity, as one point of each ROC curve."""
Line = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a confusion matrix; ``share`` is its part of the row, 0 to 1."""

    count: int
    share: float
    right: bool


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """What was said of the images of one class; ``label`` None: class not known."""

    label: str | None
    n: int
    cells: tuple[Cell, ...]


def confusion(part: Part) -> tuple[ConfusionRow, ...]:
    """Return a row for each class, last the images of unknown class where there are any."""
    rows = []
    for truth, label in [*enumerate(part.labels), (UNKNOWN, None)]:
        said = part.said[part.truth == truth]
        if label is None and not len(said):
            continue
        counts = np.bincount(said, minlength=len(part.labels))
        cells = tuple(
            Cell(int(count), float(count / max(1, len(said))), index == truth)
            for index, count in enumerate(counts)
        )
        rows.append(ConfusionRow(label, len(said), cells))
    return tuple(rows)


def _figure(name: str, part: Part, statistic: Statistic) -> Figure | None:
    """Return a figure with its interval, or None where these images do not give it."""
    if not len(part):
        return None
    try:
        return metrics.figure(name, part.name, statistic, part.groups)
    except SettingsError:
        return None


def accuracy(part: Part) -> Figure | None:
    """Return the share of images of known class that were read right."""
    known = part.where(part.known)
    return _figure("accuracy", known, metrics.accuracy(known.probabilities, known.truth))


def balanced_accuracy(part: Part) -> Figure | None:
    """Return the mean recall over the classes that occur."""
    known = part.where(part.known)
    statistic = metrics.balanced_accuracy(known.probabilities, known.truth)
    return _figure("balanced accuracy", known, statistic)


def calibration_error(part: Part, *, before: bool = False) -> Figure | None:
    """Return the expected calibration error, ``before`` calibration or after it."""
    known = part.where(part.known)
    p = known.uncalibrated if before else known.probabilities
    if p is None:
        return None
    statistic = metrics.expected_calibration_error(p, known.truth)
    return _figure("expected calibration error", known, statistic)


def recall(part: Part, index: int) -> Figure | None:
    """Return the share of one class's images that were read as that class."""
    mine = part.where(part.truth == index)
    return _figure("recall", mine, metrics.rate(mine.said == index))


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """ROC and precision-recall of one class against the rest.

    ``roc`` (points, 2): false and true positive rate. ``pr`` (points, 2): recall and precision.
    """

    roc: Line
    pr: Line
    auc: Figure | None
    average_precision: float
    sensitivity: float
    """At `SPECIFICITY`."""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class against the rest; ``curves`` None where only one side occurs."""

    label: str
    positives: int
    negatives: int
    recall: Figure | None
    precision: float | None
    curves: Curves | None


def _curves(part: Part, score: NDArray[np.float32], positive: NDArray[np.bool_]) -> Curves:
    false, true, _ = roc_curve(positive, score)
    precision, found, _ = precision_recall_curve(positive, score, drop_intermediate=True)
    return Curves(
        roc=np.column_stack([false, true]),
        pr=np.column_stack([found, precision])[::-1],
        auc=_figure("AUC", part, metrics.auc(score, positive)),
        average_precision=float(average_precision_score(positive, score)),
        sensitivity=float(true[false <= 1.0 - SPECIFICITY + 1e-9].max()),
    )


def by_class(part: Part) -> tuple[ClassRow, ...]:
    """Return each class against the rest, over the images whose side is known."""
    rows = []
    for index, label in enumerate(part.labels):
        mine = part.against_rest(index)
        positive = mine.truth == index
        named = mine.said == index
        drawn = positive.any() and not positive.all()
        rows.append(
            ClassRow(
                label=label,
                positives=int(positive.sum()),
                negatives=int((~positive).sum()),
                recall=recall(mine, index),
                precision=float(positive[named].mean()) if named.any() else None,
                curves=_curves(mine, mine.probabilities[:, index], positive) if drawn else None,
            )
        )
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class PointRow:
    """What one operating point makes of the images with and without its finding."""

    label: str
    threshold: float
    sensitivity: Figure | None
    specificity: Figure | None
    undetermined: float | None
    """Share of all images between "absent" and "present"."""


def at_points(part: Part, points: Sequence[Label]) -> tuple[PointRow, ...]:
    """Return sensitivity and specificity at each operating point."""
    rows = []
    for point in points:
        if point.label not in part.labels:
            continue
        index = part.labels.index(point.label)
        mine = part.against_rest(index)
        p, positive = mine.probabilities[:, index], mine.truth == index
        said = p >= point.threshold
        between = (p >= point.absent_below) & (p < point.present_from)
        sick, well = mine.where(positive), mine.where(~positive)
        rows.append(
            PointRow(
                label=point.label,
                threshold=point.threshold,
                sensitivity=_figure("sensitivity", sick, metrics.rate(said[positive])),
                specificity=_figure("specificity", well, metrics.rate(~said[~positive])),
                undetermined=float(between.mean()) if len(mine) else None,
            )
        )
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose highest probability lies in [low, high); both shares None without any."""

    low: float
    high: float
    n: int
    confidence: float | None
    right: float | None


def reliability(p: Probabilities, truth: Index) -> tuple[Bin, ...]:
    """Return confidence and accuracy of the most probable class, by tenth of confidence."""
    confidence, right = p.max(axis=1, initial=0.0), p.argmax(axis=1) == truth
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = []
    for index in range(BINS):
        mine = place == index
        any_here = bool(mine.any())
        bins.append(
            Bin(
                low=index / BINS,
                high=(index + 1) / BINS,
                n=int(mine.sum()),
                confidence=float(confidence[mine].mean()) if any_here else None,
                right=float(right[mine].mean()) if any_here else None,
            )
        )
    return tuple(bins)


@dataclass(frozen=True, slots=True)
class GroupRow:
    """Results of the images that share one value of an attribute."""

    value: str
    n: int
    patients: int
    accuracy: Figure | None
    balanced: Figure | None
    recalls: tuple[Figure | None, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Results by the values of one attribute."""

    name: str
    rows: tuple[GroupRow, ...]


def splits(part: Part) -> tuple[Split, ...]:
    """Return the results of the images of known class by each attribute that differs in them."""
    known = part.where(part.known)
    return tuple(
        Split(
            attribute.name,
            tuple(
                _group(known.where(attribute.values == value), str(value))
                for value in np.unique(attribute.values)
            ),
        )
        for attribute in known.attributes
        if len(np.unique(attribute.values)) > 1
    )


def _group(mine: Part, value: str) -> GroupRow:
    return GroupRow(
        value=value or "not stated",
        n=len(mine),
        patients=len(np.unique(mine.groups)),
        accuracy=accuracy(mine),
        balanced=balanced_accuracy(mine),
        recalls=tuple(recall(mine, index) for index in range(len(mine.labels))),
    )


def kept(history: Sequence[Epoch], select: Literal["best", "last"]) -> Epoch | None:
    """Return the epoch whose weights were kept: the last, or the least finite validation loss."""
    finite = [epoch for epoch in history if np.isfinite(epoch.val_loss)]
    if select == "last":
        return history[-1] if history else None
    return min(finite, key=lambda epoch: epoch.val_loss, default=None)
