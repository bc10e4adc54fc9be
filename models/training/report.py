"""The report of a training or an evaluation: one HTML file that needs nothing else.

`write` is all that callers need; what goes in is in `models.training.results`. The file holds
pictures made from research images: it stays in the output folder and is never committed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.card import Figure, Label
from models.training import pictures, plots, tables
from models.training.results import (
    UNKNOWN,
    Attribute,
    Machine,
    Part,
    Report,
    Setting,
    WorstError,
    machine,
    part_of,
    settings,
)

__all__ = [
    "FILE",
    "UNKNOWN",
    "Attribute",
    "Machine",
    "Part",
    "Report",
    "Setting",
    "WorstError",
    "machine",
    "part_of",
    "settings",
    "write",
]

FILE: Final = "report.html"
_TEMPLATE: Final = "report.html.j2"
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class _Calibration:
    before: Figure | None
    after: Figure | None
    bins: tuple[tables.Bin, ...]
    bins_before: tuple[tables.Bin, ...] | None
    chart: str


@dataclass(frozen=True, slots=True)
class _PartView:
    """One part as the template shows it; a chart is empty where nothing can be drawn."""

    name: str
    labels: tuple[str, ...]
    slug: str
    n: int
    patients: int
    unknown: int
    accuracy: Figure | None
    balanced: Figure | None
    confusion: tuple[tables.ConfusionRow, ...]
    classes: tuple[tables.ClassRow, ...]
    points: tuple[tables.PointRow, ...]
    splits: tuple[tables.Split, ...]
    calibration: _Calibration | None
    roc: str
    pr: str
    histograms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _ErrorView:
    error: WorstError
    film: str
    overlay: str


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def _calibration(part: Part) -> _Calibration | None:
    known = part.where(part.known)
    if not len(known):
        return None
    after = tables.reliability(known.probabilities, known.truth)
    raw = known.uncalibrated
    before = None if raw is None else tables.reliability(raw, known.truth)
    return _Calibration(
        before=tables.calibration_error(part, before=True),
        after=tables.calibration_error(part),
        bins=after,
        bins_before=before,
        chart=plots.reliability(part.name, after, before),
    )


def _part(number: int, part: Part, points: Sequence[Label]) -> _PartView:
    rows = tables.by_class(part)
    drawn = any(row.curves for row in rows)
    thresholds = {point.label: point.threshold for point in points}
    return _PartView(
        name=part.name,
        labels=part.labels,
        slug=f"part-{number}-{_slug(part.name)}",
        n=len(part),
        patients=len(set(part.groups.tolist())),
        unknown=int((~part.known).sum()),
        accuracy=tables.accuracy(part),
        balanced=tables.balanced_accuracy(part),
        confusion=tables.confusion(part),
        classes=rows,
        points=tables.at_points(part, points),
        splits=tables.splits(part),
        calibration=_calibration(part),
        roc=plots.roc(part.name, rows) if drawn else "",
        pr=plots.precision_recall(part.name, rows) if drawn else "",
        histograms=tuple(
            plots.histogram(part, index, thresholds.get(label))
            for index, label in enumerate(part.labels)
            if len(part.against_rest(index))
        ),
    )


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE)} min"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _interval(figure: Figure) -> str:
    """Return the interval in words; resamples that never differ give none worth the name."""
    if figure.low is None or figure.high is None or figure.low == figure.high:
        return ""
    return f"{figure.low:.3f} to {figure.high:.3f}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "readable": plots.readable,
        "duration": _duration,
        "number": _number,
        "percent": _percent,
        "interval": _interval,
    }
    return environment


def write(file: Path, report: Report) -> None:
    """Write ``report`` as one HTML file without scripts, links or any other file."""
    history = report.history
    kept = tables.kept(history, report.select)
    text = (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            report=report,
            kept=kept,
            losses=plots.losses(history, kept) if history else "",
            accuracies=plots.accuracies(history, kept) if history else "",
            parts=[
                _part(number, part, report.points) for number, part in enumerate(report.parts, 1)
            ],
            errors=[
                _ErrorView(
                    error,
                    pictures.film(error.film),
                    pictures.overlay(error.film, error.evidence),
                )
                for error in report.errors
            ],
            specificity=tables.SPECIFICITY,
        )
    )
    file.write_text(text, encoding="utf-8")
