"""Passes over the patient: slices of one series that were not taken in one sweep of the table.

Inspiration and expiration, native and with contrast agent, or two reconstructions of one sweep:
stacked as one volume, every second slice would be of another moment. A scanner that numbers its
acquisitions by rotation has many numbers in one sweep; so what counts is not the number but
whether the table came back to where it had been.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from dicom_node.contiguity import SAME_PLACE_MM, Contiguity, contiguity
from dicom_node.pixels import header
from dicom_node.pixels.slices import Slice

_MADE_ALIKE: Final = (
    "ConvolutionKernel", "KVP", "FilterType", "ImageType", "SliceThickness",
    "NominalPercentageOfCardiacPhase", "TriggerTime", "TemporalPositionIdentifier",
    "TemporalPositionIndex",
)  # fmt: skip
_TAKEN: Final = ("AcquisitionNumber", "AcquisitionTime")
_MEASURED: Final = frozenset({"KVP", "SliceThickness"})
_LAST_RESORT: Final = ("InstanceNumber",)
_NAMES: Final = {
    "ConvolutionKernel": "kernel", "KVP": "tube voltage", "FilterType": "filter",
    "ImageType": "image type", "SliceThickness": "slice thickness",
    "NominalPercentageOfCardiacPhase": "cardiac phase", "TriggerTime": "trigger time",
    "TemporalPositionIdentifier": "temporal position",
    "TemporalPositionIndex": "temporal position", "AcquisitionNumber": "acquisition number",
    "AcquisitionTime": "acquisition time", "InstanceNumber": "instance number",
}  # fmt: skip

_SEAM = 0.2
"""Sweeps that follow each other may overlap by this share of the shorter one."""
_ANOTHER_PASS = 0.5
"""Repeating this share of its places, a series holds several passes, not a stray slice."""
_TORN = 0.1
"""A pass may lack this share of its slices, where places are repeated."""
_CINE = 0.25
"""With this share of steps on the spot, the table waits at each place for several images."""

_SAME_VALUE = 0.02
"""Measured values that differ by this share are one: 5 mm and 4.999 mm."""

_Mark = tuple[float, str]
_Marked = defaultdict[_Mark | None, list[Slice]]


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """The slices of one sweep, and what told it from the others: '' where it is the only one."""

    slices: tuple[Slice, ...]
    told_by: str = ""


@dataclass(slots=True, eq=False)
class _Sweep:
    """Slices in the order of their marks, and the range of places that they cover."""

    slices: list[Slice] = field(default_factory=list)
    low_mm: float = float("inf")
    high_mm: float = float("-inf")

    def add(self, slices: Iterable[Slice]) -> None:
        for one in slices:
            self.slices.append(one)
            self.low_mm = min(self.low_mm, one.plane.position_mm)
            self.high_mm = max(self.high_mm, one.plane.position_mm)

    def overlaps(self, other: "_Sweep") -> bool:
        """Whether the table had been there already, more than at the seam of two sweeps."""
        shared = min(self.high_mm, other.high_mm) - max(self.low_mm, other.low_mm)
        shorter = min(self.high_mm - self.low_mm, other.high_mm - other.low_mm)
        if shorter <= SAME_PLACE_MM:
            return shared >= -SAME_PLACE_MM
        return shared > _SEAM * shorter


def passes(group: Sequence[Slice]) -> tuple[Pass, ...]:
    """Part parallel slices into the passes that they were taken in, the earliest first.

    Slices that tell nothing of when and how they were taken stay together, but for places that
    were imaged again and again.
    """
    parts = [Pass(tuple(sorted(group, key=_steady)))]
    for keyword in _MADE_ALIKE + _TAKEN:
        parts = [smaller for part in parts for smaller in _parted(part, keyword)]
    for keyword in _LAST_RESORT:
        parts = [
            smaller
            for part in parts
            for smaller in (_parted(part, keyword) if _repeats(part.slices) else [part])
        ]
    return tuple(smaller for part in parts for smaller in _by_turn(part))


def _steady(one: Slice) -> tuple[float, str]:
    return one.plane.position_mm, one.loaded.ref.sop_instance_uid


def _parted(whole: Pass, keyword: str) -> list[Pass]:
    """Part a pass by one attribute, if that shows that it was more than one sweep."""
    marked: _Marked = defaultdict(list)
    for one in whole.slices:
        marked[_mark(one, keyword)].append(one)
    if len(marked) < 2:  # noqa: PLR2004 (all alike)
        return [whole]
    together = _contiguity(whole.slices)
    if keyword in _MEASURED:
        marked = _nearly_alike(marked)
    if None in marked and not together.repeated:
        return [whole]
    sweeps = _sweeps([marked[mark] for mark in sorted(marked, key=_by_mark)])
    if len(sweeps) < 2 or not _are_sound(sweeps, together):  # noqa: PLR2004
        return [whole]
    name = ", ".join(dict.fromkeys(filter(None, (whole.told_by, _NAMES[keyword]))))
    return [Pass(tuple(sorted(sweep.slices, key=_steady)), name) for sweep in sweeps]


def _nearly_alike(marked: _Marked) -> _Marked:
    """Join the parts whose measured values lie close to each other."""
    joined: _Marked = defaultdict(list)
    last: _Mark | None = None
    for mark in sorted(marked, key=_by_mark):
        is_near = (
            mark
            and last
            and mark[1] == last[1]
            and mark[0] - last[0] <= (_SAME_VALUE * abs(mark[0]))
        )
        last = last if is_near else mark
        joined[last] += marked[mark]
    return joined


def _by_mark(mark: _Mark | None) -> _Mark:
    return mark or (-math.inf, "")


def _sweeps(parts: Sequence[Sequence[Slice]]) -> list[_Sweep]:
    """Join what was taken one after the other, until the table comes back."""
    rotations = []
    for part in parts:
        rotation = _Sweep()
        rotation.add(part)
        rotations.append(rotation)
    on_the_spot = sum(b.overlaps(a) for a, b in pairwise(rotations))
    is_cine = on_the_spot > _CINE * len(rotations)
    sweeps: list[_Sweep] = []
    latest_first: list[_Sweep] = []
    for rotation in rotations:
        tried = sweeps if is_cine else latest_first
        fitting = next((sweep for sweep in tried if not sweep.overlaps(rotation)), None)
        if fitting is None:
            fitting = _Sweep()
            sweeps.append(fitting)
        else:
            latest_first.remove(fitting)
        latest_first.insert(0, fitting)
        fitting.add(rotation.slices)
    return sweeps


def _are_sound(sweeps: Sequence[_Sweep], together: Contiguity) -> bool:
    """Whether the parts are series in themselves, not a whole one torn to pieces.

    Times go back and forth a little in some sound series, and say nothing then.
    """
    largest = _contiguity(max(sweeps, key=lambda sweep: len(sweep.slices)).slices)
    torn = _TORN * len(largest.positions_mm) if together.repeated else 0
    return largest.gaps <= together.gaps + torn


def _by_turn(whole: Pass) -> list[Pass]:
    """Part what is repeated all over by turns: nothing tells which images belong together."""
    if not _repeats(whole.slices):
        return [whole]
    turns: list[list[Slice]] = []
    ends: list[float] = []
    for one in whole.slices:
        turn = next((i for i, end in enumerate(ends) if _is_beyond(one, end)), None)
        if turn is None:
            turns.append([one])
            ends.append(one.plane.position_mm)
        else:
            turns[turn].append(one)
            ends[turn] = one.plane.position_mm
    told_by = whole.told_by or "nothing in the header"
    return [Pass(tuple(turn), told_by) for turn in turns]


def _is_beyond(one: Slice, end_mm: float) -> bool:
    return one.plane.position_mm - end_mm > SAME_PLACE_MM


def _repeats(slices: Sequence[Slice]) -> bool:
    found = _contiguity(slices)
    return found.repeated >= _ANOTHER_PASS * len(found.positions_mm)


def _contiguity(slices: Iterable[Slice]) -> Contiguity:
    return contiguity(one.plane.position_mm for one in slices)


def _mark(one: Slice, keyword: str) -> _Mark | None:
    """Return an attribute as something to sort by; None where the header does not tell."""
    told = header.told(one.loaded.dataset, keyword)
    if keyword == "AcquisitionTime":
        date = header.told(one.loaded.dataset, "AcquisitionDate")
        told = header.told(one.loaded.dataset, "AcquisitionDateTime") or (told and date + told)
    if not told:
        return None
    try:
        value = float(told)
    except ValueError:
        return 0.0, told
    return (value, "") if math.isfinite(value) else (0.0, told)
