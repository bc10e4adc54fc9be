"""Whether slices lie one behind the other: arithmetic on positions, no DICOM.

Both sides need it: intake, to see that a CT series has arrived whole, and pixels, to say in the
report that it had not.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

SAME_PLACE_MM = 0.05
"""Positions closer than this are one place: DS values are often rounded to 0.1 mm."""

_GAP_FROM = 1.6
"""A step of this many usual steps, or more, has room for a missing slice.

Sound series that were thinned for an archive step by 6, 8, 6 mm, up to 1.5 times the median.
"""
_PROTOCOL_FROM = 4
"""So many wide steps in a row are how the series was made (head, then trunk), no loss."""
_EVEN = 1.35
"""A protocol's steps, thinned for an archive, differ by no more than this; losses do."""
_MULTIPLE_FROM = 8
"""More are asked for where every second slice might as well be missing there."""
_MULTIPLE_WITHIN = 0.05
_STRAY_SHARE = 0.1
_STRAY_STEPS = 10
_STRAY_MM = 150.0
"""The few slices that lie this far off all others have a wrong position."""


@dataclass(frozen=True, slots=True)
class Contiguity:
    """What a set of slice positions says of the series.

    ``positions_mm`` are the distinct places, ascending; ``spacing_mm`` the median step between
    them, None with fewer than two; ``gaps`` counts the slices that are missing;
    ``gaps_near_mm`` is the middle of each hole; ``repeated`` counts positions beyond the first
    at the same place. ``narrowest_mm`` and ``widest_mm`` are the steps that the series was made
    with, holes left out: where they differ, its spacing changes on the way.
    """

    positions_mm: tuple[float, ...]
    spacing_mm: float | None
    gaps: int
    gaps_near_mm: tuple[float, ...]
    repeated: int
    narrowest_mm: float | None = None
    widest_mm: float | None = None

    @property
    def is_contiguous(self) -> bool:
        """Whether at least two slices lie there and none is missing between them."""
        return self.spacing_mm is not None and self.gaps == 0

    @property
    def changes_spacing(self) -> bool:
        """Whether the steps between slices differ by more than a thinned series' do."""
        if self.narrowest_mm is None or self.widest_mm is None:
            return False
        return self.widest_mm >= _GAP_FROM * self.narrowest_mm


def contiguity(positions_mm: Iterable[float]) -> Contiguity:
    """Find spacing, holes and repetitions; the order of arrival does not matter.

    A hole is a wide step among narrow ones. Where wide steps follow each other, as where one
    protocol takes over from another, none is missing.

    Raises ValueError where a position is not finite.
    """
    given = sorted(positions_mm)
    if not all(map(math.isfinite, given)):
        raise ValueError("slice positions must be finite")
    places = _distinct(given)
    steps = [upper - lower for lower, upper in pairwise(places)]
    usual = _usual(steps)
    holes = [
        (missing, (lower + upper) / 2)
        for (lower, upper), spacing in zip(pairwise(places), usual, strict=True)
        if (missing := _missing(upper - lower, spacing))
    ]
    return Contiguity(
        positions_mm=tuple(places),
        spacing_mm=statistics.median(steps) if steps else None,
        gaps=sum(missing for missing, _ in holes),
        gaps_near_mm=tuple(middle for _, middle in holes),
        repeated=len(given) - len(places),
        narrowest_mm=min(usual, default=None),
        widest_mm=max(usual, default=None),
    )


def without_strays(positions_mm: Iterable[float]) -> tuple[float, ...]:
    """Return the positions, ascending, without the few that lie absurdly far off the others.

    Raises ValueError where a position is not finite.
    """
    kept = sorted(positions_mm)
    if not all(map(math.isfinite, kept)):
        raise ValueError("slice positions must be finite")
    spare = int(len(kept) * _STRAY_SHARE)
    steps = [upper - lower for lower, upper in pairwise(_distinct(kept))]
    far = max(_STRAY_MM, _STRAY_STEPS * statistics.median(steps)) if steps else math.inf
    cuts = [i + 1 for i, (lower, upper) in enumerate(pairwise(kept)) if upper - lower > far]
    first = max((cut for cut in cuts if cut <= spare), default=0)
    last = min((cut for cut in cuts if len(kept) - cut <= spare - first), default=len(kept))
    return tuple(kept[first:last])


def _distinct(ascending: list[float]) -> list[float]:
    places: list[float] = []
    for position in ascending:
        if not places or position - places[-1] > SAME_PLACE_MM:
            places.append(position)
    return places


def _usual(steps: Sequence[float]) -> list[float]:
    """Return for each step the one that is usual where it lies.

    The median; but where wide steps follow each other, these are usual themselves.
    """
    if not steps:
        return []
    runs = [part for run in _runs(steps, _GAP_FROM) for part in _protocols(run)]
    narrowest = min((statistics.median(r) for r in runs if len(r) >= _PROTOCOL_FROM), default=0)
    made = [_protocol(run, narrowest) for run in runs]
    if len([one for one in made if one is not None]) < 2:  # noqa: PLR2004 (one spacing all along)
        return [statistics.median(steps)] * len(steps)
    usual: list[float] = []
    for index, run in enumerate(runs):
        before = next((one for one in reversed(made[: index + 1]) if one is not None), 0)
        after = next((one for one in made[index:] if one is not None), 0)
        usual += [max(before, after)] * len(run)
    return usual


def _runs(steps: Sequence[float], apart: float) -> list[list[float]]:
    """Part the steps where one is this many times as wide as others."""
    runs: list[list[float]] = []
    low, high = math.inf, 0.0
    for step in steps:
        low, high = min(low, step), max(high, step)
        if runs and high < apart * low:
            runs[-1].append(step)
        else:
            runs.append([step])
            low = high = step
    return runs


def _protocols(run: Sequence[float]) -> list[list[float]]:
    """Part steps of about one width where one protocol took over from another."""
    parts = _runs(run, _EVEN)
    return parts if min(map(len, parts)) >= _PROTOCOL_FROM else [list(run)]


def _protocol(run: Sequence[float], narrowest_mm: float) -> float | None:
    """Return the spacing of a run that the series was made with, None for a hole or two."""
    if len(run) < _PROTOCOL_FROM or max(run) > _EVEN * min(run):
        return None
    spacing = statistics.median(run)
    times = spacing / narrowest_mm
    is_multiple = round(times) > 1 and abs(times - round(times)) < _MULTIPLE_WITHIN * times
    return None if is_multiple and len(run) < _MULTIPLE_FROM else spacing


def _missing(step_mm: float, spacing_mm: float) -> int:
    if step_mm < _GAP_FROM * spacing_mm:
        return 0
    return max(1, round(step_mm / spacing_mm) - 1)
