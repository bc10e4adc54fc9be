"""Measured figures with intervals; every function takes probabilities of held-out images."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from dicom_node.errors import SettingsError
from models.card import Figure

Probabilities = NDArray[np.float32]
Index = NDArray[np.int64]
Statistic = Callable[[Index], float]

_BOOTSTRAPS: Final = 400
_ECE_BINS: Final = 10
_SEED: Final = 1


def interval(statistic: Statistic, groups: NDArray[np.str_]) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval, resampling whole patients.

    ``statistic`` takes indices of images and may raise ValueError where a resample lacks a
    class; such resamples are left out. None where fewer than half are left.
    """
    names, member = np.unique(groups, return_inverse=True)
    images = [np.flatnonzero(member == index) for index in range(len(names))]
    random = np.random.default_rng(_SEED)
    values = []
    for _ in range(_BOOTSTRAPS):
        chosen = random.integers(0, len(names), len(names))
        try:
            values.append(statistic(np.concatenate([images[index] for index in chosen])))
        except ValueError:
            continue
    finite = [value for value in values if np.isfinite(value)]
    if len(finite) < _BOOTSTRAPS / 2:
        return None
    low, high = np.percentile(finite, (2.5, 97.5))
    return float(low), float(high)


def figure(name: str, on: str, statistic: Statistic, groups: NDArray[np.str_]) -> Figure:
    """Return one figure over all images, with its interval.

    Raises SettingsError where the images lack what the figure needs, a class for example.
    """
    try:
        value = statistic(np.arange(len(groups)))
    except ValueError as exc:
        raise SettingsError(f"{name} on {on} cannot be measured: {exc}") from exc
    ends = interval(statistic, groups)
    return Figure(
        name=name,
        on=on,
        value=round(value, 4),
        n=len(groups),
        low=None if ends is None else round(ends[0], 4),
        high=None if ends is None else round(ends[1], 4),
    )


def balanced_accuracy(p: Probabilities, truth: Index) -> Statistic:
    """Mean recall over the classes that occur."""

    def of(chosen: Index) -> float:
        present = np.unique(truth[chosen])
        said = p[chosen].argmax(axis=1)
        return float(np.mean([(said[truth[chosen] == c] == c).mean() for c in present]))

    return of


def accuracy(p: Probabilities, truth: Index) -> Statistic:
    """Share of images whose most probable class is right."""
    return lambda chosen: float((p[chosen].argmax(axis=1) == truth[chosen]).mean())


def auc(score: NDArray[np.floating], positive: NDArray[np.bool_]) -> Statistic:
    """Area under the ROC curve."""

    def of(chosen: Index) -> float:
        if positive[chosen].all() or not positive[chosen].any():
            raise ValueError("one class is missing")
        return float(roc_auc_score(positive[chosen], score[chosen]))

    return of


def rate(hit: NDArray[np.bool_]) -> Statistic:
    """Share of images for which ``hit`` holds: sensitivity, specificity, refusals."""
    return lambda chosen: float(hit[chosen].mean())


def f1(said: NDArray[np.bool_], positive: NDArray[np.bool_]) -> Statistic:
    """Harmonic mean of precision and sensitivity."""

    def of(chosen: Index) -> float:
        right = (said[chosen] & positive[chosen]).sum()
        return float(2 * right / max(1, said[chosen].sum() + positive[chosen].sum()))

    return of


def expected_calibration_error(p: Probabilities, truth: Index) -> Statistic:
    """Return the gap between confidence and accuracy of the most probable class, in ten bins.

    Guo et al. 2017 (arXiv:1706.04599).
    """
    confidence, right = p.max(axis=1), p.argmax(axis=1) == truth

    def of(chosen: Index) -> float:
        bins = np.minimum((confidence[chosen] * _ECE_BINS).astype(int), _ECE_BINS - 1)
        total = 0.0
        for index in np.unique(bins):
            mine = chosen[bins == index]
            total += abs(confidence[mine].mean() - right[mine].mean()) * len(mine)
        return total / len(chosen)

    return of


def linear_balanced_accuracy(
    train: tuple[NDArray[np.float32], Index], test: tuple[NDArray[np.float32], Index]
) -> float:
    """Return what a linear classifier makes of flat features: a control for shortcuts."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  # slow to import
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, max_iter=500, class_weight="balanced")
    )
    model.fit(*train)
    return float(balanced_accuracy_score(test[1], model.predict(test[0])))
