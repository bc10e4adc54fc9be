"""Whether slices lie one behind the other: arithmetic on positions, no DICOM.

Both sides need it: intake, to see that a CT series has arrived whole, and pixels, to say in the
report that it had not.
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

SAME_PLACE_MM = 0.05
"""Positions closer than this are one place: DS values are often rounded to 0.1 mm."""

_GAP_FROM = 1.6
"""A step of this many usual steps, or more, has room for a missing slice.

Sound series that were thinned for an archive step by 6, 8, 6 mm, up to 1.5 times the median.
"""


@dataclass(frozen=True, slots=True)
class Contiguity:
    """What a set of slice positions says of the series.

    ``positions_mm`` are the distinct places, ascending; ``spacing_mm`` the median step between
    them, None with fewer than two; ``gaps`` counts the slices that are missing;
    ``gaps_near_mm`` is the middle of each hole; ``repeated`` counts positions beyond the first
    at the same place.
    """

    positions_mm: tuple[float, ...]
    spacing_mm: float | None
    gaps: int
    gaps_near_mm: tuple[float, ...]
    repeated: int

    @property
    def is_contiguous(self) -> bool:
        """Whether at least two slices lie there and none is missing between them."""
        return self.spacing_mm is not None and self.gaps == 0


def contiguity(positions_mm: Iterable[float]) -> Contiguity:
    """Find spacing, holes and repetitions; the order of arrival does not matter.

    Raises ValueError where a position is not finite.
    """
    given = sorted(positions_mm)
    if not all(map(math.isfinite, given)):
        raise ValueError("slice positions must be finite")
    places = _distinct(given)
    steps = [upper - lower for lower, upper in pairwise(places)]
    spacing = statistics.median(steps) if steps else None
    holes = [
        (missing, (lower + upper) / 2)
        for lower, upper in pairwise(places)
        if spacing is not None and (missing := _missing(upper - lower, spacing))
    ]
    return Contiguity(
        positions_mm=tuple(places),
        spacing_mm=spacing,
        gaps=sum(missing for missing, _ in holes),
        gaps_near_mm=tuple(middle for _, middle in holes),
        repeated=len(given) - len(places),
    )


def _distinct(ascending: list[float]) -> list[float]:
    places: list[float] = []
    for position in ascending:
        if not places or position - places[-1] > SAME_PLACE_MM:
            places.append(position)
    return places


def _missing(step_mm: float, spacing_mm: float) -> int:
    if step_mm < _GAP_FROM * spacing_mm:
        return 0
    return max(1, round(step_mm / spacing_mm) - 1)
