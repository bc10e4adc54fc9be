"""The charts of a report; each says in words, for those who do not see it, what it shows."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from models.training import svg
from models.training.results import Part
from models.training.tables import BINS, Bin, ClassRow
from models.training.watch import Epoch

_WIDE = (4.6, 3.2)
_SQUARE = (4.6, 4.9)
_SMALL = (2.7, 2.0)


def readable(label: str) -> str:
    """Return a label as a person writes it."""
    return label.replace("_", " ")


def _against_epochs(axes: Axes, history: Sequence[Epoch], what: str, kept: Epoch | None) -> None:
    axes.set(xlabel="epoch", ylabel=what)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(history[0].epoch - 0.5, history[-1].epoch + 0.5)
    if kept is not None:
        axes.axvline(kept.epoch, color=svg.QUIET, linewidth=1, linestyle=":", zorder=0)
    axes.legend(loc="best")


def losses(history: Sequence[Epoch], kept: Epoch | None) -> str:
    """Draw training and validation loss by epoch; ``history`` has at least one epoch."""
    epochs = [epoch.epoch for epoch in history]
    first, second = svg.colours(2)
    with svg.figure(*_WIDE) as drawn:
        axes = drawn.add_subplot()
        train = [epoch.train_loss for epoch in history]
        val = [epoch.val_loss for epoch in history]
        axes.plot(epochs, train, "o-", color=first, markersize=3.5, label="training")
        axes.plot(epochs, val, "s--", color=second, markersize=3.5, label="validation")
        _against_epochs(axes, history, "loss", kept)
        alt = (
            f"Loss by epoch, {len(history)} epochs: training from {train[0]:.3f} to "
            f"{train[-1]:.3f}, validation from {val[0]:.3f} to {val[-1]:.3f}."
        )
        return svg.inline(drawn, alt)


def accuracies(history: Sequence[Epoch], kept: Epoch | None) -> str:
    """Draw the balanced accuracy on validation by epoch; at least one epoch."""
    epochs = [epoch.epoch for epoch in history]
    with svg.figure(*_WIDE) as drawn:
        axes = drawn.add_subplot()
        val = [epoch.val_balanced_accuracy for epoch in history]
        colour = svg.colours(2)[1]
        axes.plot(epochs, val, "s--", color=colour, markersize=3.5, label="validation")
        _against_epochs(axes, history, "balanced accuracy", kept)
        alt = (
            f"Balanced accuracy on validation by epoch: from {val[0]:.3f} to {val[-1]:.3f}, "
            f"highest {max(val):.3f}."
        )
        return svg.inline(drawn, alt)


def roc(name: str, rows: Sequence[ClassRow]) -> str:
    """Draw the ROC curve of each class that has one, against the rest."""
    with svg.figure(*_SQUARE) as drawn:
        axes = drawn.add_subplot()
        axes.plot([0, 1], [0, 1], color=svg.QUIET, linewidth=0.9, linestyle=":")
        said = []
        for row, colour, line in _styled(rows):
            if row.curves is None or row.curves.auc is None:
                continue
            told = f"{readable(row.label)}, AUC {row.curves.auc.value:.3f}"
            axes.plot(*row.curves.roc.T, color=colour, linestyle=line, label=told)
            said.append(told)
        svg.unit_square(axes, "1 - specificity", "sensitivity")
        drawn.legend(loc="outside lower center", ncols=2)
        alt = f"{name}, ROC curves, one class against the rest: {'; '.join(said)}."
        return svg.inline(drawn, alt)


def precision_recall(name: str, rows: Sequence[ClassRow]) -> str:
    """Draw the precision-recall curve of each class that has one, against the rest."""
    with svg.figure(*_SQUARE) as drawn:
        axes = drawn.add_subplot()
        said = []
        for row, colour, line in _styled(rows):
            if row.curves is None:
                continue
            told = f"{readable(row.label)}, AP {row.curves.average_precision:.3f}"
            axes.step(*row.curves.pr.T, where="pre", color=colour, linestyle=line, label=told)
            said.append(told)
        svg.unit_square(axes, "recall (sensitivity)", "precision")
        drawn.legend(loc="outside lower center", ncols=2)
        alt = f"{name}, precision-recall curves, one class against the rest: {'; '.join(said)}."
        return svg.inline(drawn, alt)


def _styled(rows: Sequence[ClassRow]) -> list[tuple[ClassRow, str, svg.LineStyle]]:
    return list(zip(rows, svg.colours(len(rows)), svg.lines(len(rows)), strict=True))


def reliability(name: str, after: Sequence[Bin], before: Sequence[Bin] | None) -> str:
    """Draw accuracy against confidence, above the number of images at each confidence."""
    blue, red = svg.colours(2)
    with svg.figure(4.6, 4.6) as drawn:
        top, bottom = drawn.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.plot([0, 1], [0, 1], color=svg.QUIET, linewidth=0.9, linestyle=":", label="perfect")
        if before is not None:
            _calibration_line(top, before, "s--", red, "before calibration")
        _calibration_line(top, after, "o-", blue, "as served")
        top.set(ylim=(-0.02, 1.04), ylabel="share that was right")
        drawn.legend(loc="outside upper center", ncols=3)
        middle = [(one.low + one.high) / 2 for one in after]
        bottom.bar(middle, [one.n for one in after], width=0.9 / BINS, color=blue)
        bottom.set(xlim=(0, 1), xlabel="probability of what was said", ylabel="images")
        bottom.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3, min_n_ticks=1))
        told = [
            f"{one.n} images at {one.confidence:.2f}, {one.right:.2f} right"
            for one in after
            if one.confidence is not None
        ]
        return svg.inline(drawn, f"{name}, reliability diagram: {'; '.join(told)}.")


def _calibration_line(axes: Axes, bins: Sequence[Bin], style: str, colour: str, name: str) -> None:
    at = [(one.confidence, one.right) for one in bins if one.confidence is not None]
    axes.plot(*np.array(at, dtype=float).T, style, color=colour, markersize=4.5, label=name)


def histogram(part: Part, index: int, threshold: float | None) -> str:
    """Draw how often each probability of class ``index`` occurs, with and without that class."""
    mine = part.against_rest(index)
    score, positive = mine.probabilities[:, index], mine.truth == index
    label = readable(part.labels[index])
    blue, red = svg.colours(2)
    with svg.figure(*_SMALL) as drawn:
        axes = drawn.add_subplot()
        _steps(axes, score[~positive], blue, "others")
        _steps(axes, score[positive], red, label)
        if threshold is not None:
            axes.axvline(threshold, color=svg.INK, linewidth=1, linestyle=":")
        axes.set(xlim=(0, 1), ylim=(0, None), xlabel="probability", ylabel="share of images")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=1.4)
        alt = (
            f"{part.name}, histogram of the probability of {label}: median "
            f"{_median(score[positive])} in {positive.sum()} images with it, "
            f"{_median(score[~positive])} in {(~positive).sum()} without."
        )
        return svg.inline(drawn, alt)


def _steps(axes: Axes, score: NDArray[np.float32], colour: str, name: str) -> None:
    """Draw shares, not counts: a rare class must be seen beside the rest."""
    counts, edges = np.histogram(score, bins=2 * BINS, range=(0.0, 1.0))
    share = counts / max(1, len(score))
    axes.stairs(share, edges, color=colour, fill=True, alpha=0.3)
    axes.stairs(share, edges, color=colour, linewidth=1.4, label=name)


def _median(score: NDArray[np.float32]) -> str:
    return f"{np.median(score):.2f}" if len(score) else "none"
