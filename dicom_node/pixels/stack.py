"""Slices of one series that lie one behind the other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dicom_node.contiguity import SAME_PLACE_MM, Contiguity, contiguity, without_strays
from dicom_node.domain import Omission, Reason, Refusal, RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import digest, header
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.passes import Pass, passes
from dicom_node.pixels.slices import Slice, axial, commonest
from dicom_node.policy import Limits

_WIDE_MM = 12.0
"""Slices further apart than this leave out more than they show."""
_SAME_DIRECTION = math.cos(math.radians(1.0))
"""Cosines are written with six digits or fewer; no gantry is tilted by a degree between slices."""
_SAME_SPACING = 0.002
"""Pixel Spacing may differ by this share: half a pixel at the edge of 512."""

_REPEATED = Reason(Omission.REPEATED_POSITION, "Another image lies at the same place.")
_STRAY = Reason(Omission.STRAY_POSITION, "Its position lies far off all other slices.")


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Parallel axial slices at distinct places, from the feet to the head.

    ``field`` tells the fields of view of one series apart; ``left`` are the slices of this one
    that are not read with it, by SOP Instance UID.
    """

    series_instance_uid: str
    slices: tuple[Slice, ...]
    contiguity: Contiguity
    notes: tuple[str, ...]
    field: int
    left: Mapping[str, Reason]


@dataclass(frozen=True, slots=True, eq=False)
class Sorted:
    """What a series holds: stacks to choose from, the largest first, and what is left out.

    Each instance is in one of ``stacks``, in its ``left``, or in ``left``. Without a stack
    ``refusal`` says why.
    """

    stacks: tuple[Stack, ...]
    left: Mapping[str, Reason]
    refusal: Refusal | None = None


def stacks(series: Sequence[Loaded], limits: Limits) -> tuple[Stack, ...]:
    """Find the stacks in the instances of one series, the largest first.

    Raises PixelError where no stack is left: as `slices.axial`, and DUPLICATE_SOP_INSTANCE_UID,
    INCONSISTENT_HEADER, TOO_FEW_SLICES, IMAGE_TOO_LARGE.
    """
    found = sort_out(series, limits)
    if found.refusal:
        raise PixelError(found.refusal.code, found.refusal.reason)
    return found.stacks


def sort_out(series: Sequence[Loaded], limits: Limits) -> Sorted:
    """Part a series into stacks, and name what belongs to none.

    A series that mixes orientations, matrix sizes or fields of view is split, and so are
    several passes over the same places; a single repeated slice is left out, and so is one
    whose position lies far off all others.
    """
    try:
        slices, refusals = axial(distinct(series))
    except PixelError as exc:
        return _nothing(series, Refusal(RefusalCode(exc.code), exc.reason))
    left = {uid: Reason(refusal.code, refusal.reason) for uid, refusal in refusals}
    if not slices:
        return Sorted((), left, commonest(refusal for _, refusal in refusals))
    found = [
        stack
        for field, group in enumerate(_fields(slices))
        for stack in _stacks(group, field, limits)
    ]
    found.sort(key=lambda stack: -len(stack.slices))
    readable = tuple(stack for stack in found if not _unreadable(stack, limits))
    refusal = None if readable else _unreadable(found[0], limits)
    for stack in found:
        if why := _unreadable(stack, limits):
            left |= stack.left
            left |= dict.fromkeys(_uids(stack), Reason(why.code, why.reason))
    return Sorted(readable, left, refusal)


def distinct(instances: Sequence[Loaded]) -> tuple[Loaded, ...]:
    """Drop instances that were sent twice; raises PixelError where two share a UID but differ."""
    seen: dict[str, Loaded] = {}
    for loaded in instances:
        uid = loaded.ref.sop_instance_uid
        if not uid:
            continue
        first = seen.setdefault(uid, loaded)
        if first is not loaded and digest.pixel_digest(first.dataset) != digest.pixel_digest(
            loaded.dataset
        ):
            raise _shared_uid()
    without = len(instances) and sum(not one.ref.sop_instance_uid for one in instances)
    if without > 1:
        raise _shared_uid()
    if without:
        raise header.refuse("SOPInstanceUID", "is missing")
    return tuple(seen.values())


def _shared_uid() -> PixelError:
    return PixelError(
        RefusalCode.DUPLICATE_SOP_INSTANCE_UID,
        "Different images share one SOP Instance UID: an archive keeps only one of them.",
    )


def _nothing(series: Sequence[Loaded], refusal: Refusal) -> Sorted:
    why = Reason(refusal.code, refusal.reason)
    return Sorted((), {one.ref.sop_instance_uid: why for one in series}, refusal)


def _uids(stack: Stack) -> tuple[str, ...]:
    return tuple(one.loaded.ref.sop_instance_uid for one in stack.slices)


def _unreadable(stack: Stack, limits: Limits) -> Refusal | None:
    count = len(stack.slices)
    if count > limits.ct_max_slices:
        return Refusal(
            RefusalCode.IMAGE_TOO_LARGE,
            f"The series holds {count} slices; the limit is {limits.ct_max_slices}.",
        )
    if count < limits.ct_min_slices:
        return Refusal(
            RefusalCode.TOO_FEW_SLICES,
            f"The series holds {count} axial slice{'s' if count > 1 else ''}; at least "
            f"{limits.ct_min_slices} are needed.",
        )
    return None


def _fields(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Group slices that show the same field of view, within what rounding changes."""
    groups: list[list[Slice]] = []
    for one in sorted(slices, key=lambda s: (s.plane.position_mm, s.loaded.ref.sop_instance_uid)):
        like = next((group for group in groups if _same_field(group[0], one)), None)
        if like is None:
            groups.append([one])
        else:
            like.append(one)
    return groups


def _same_field(one: Slice, other: Slice) -> bool:
    here, there = one.plane, other.plane
    return (
        one.matrix == other.matrix
        and all(
            float(np.dot(mine, theirs)) >= _SAME_DIRECTION
            for mine, theirs in zip(here.directions, there.directions, strict=True)
        )
        and _same_spacing(here.row_spacing_mm, there.row_spacing_mm)
        and _same_spacing(here.column_spacing_mm, there.column_spacing_mm)
    )


def _same_spacing(one_mm: float, other_mm: float) -> bool:
    return abs(one_mm - other_mm) <= _SAME_SPACING * max(one_mm, other_mm)


def _stacks(group: Sequence[Slice], field: int, limits: Limits) -> list[Stack]:
    """Make the stacks of one field of view, one for each pass."""
    sound = without_strays(one.plane.position_mm for one in group)
    kept = [one for one in group if sound[0] <= one.plane.position_mm <= sound[-1]]
    astray = [one for one in group if not sound[0] <= one.plane.position_mm <= sound[-1]]
    found = passes(kept)
    many = sum(len(one.slices) >= limits.ct_min_slices for one in found)
    made = [_stack(one, field, many) for one in found]
    if astray:
        largest = max(range(len(made)), key=lambda index: len(made[index].slices))
        made[largest] = _with_left(made[largest], astray)
    return made


def _with_left(stack: Stack, astray: Iterable[Slice]) -> Stack:
    left = dict(stack.left) | {one.loaded.ref.sop_instance_uid: _STRAY for one in astray}
    return replace(stack, left=left)


def _stack(taken: Pass, field: int, passes_of_series: int) -> Stack:
    ordered = sorted(taken.slices, key=_place)
    kept: list[Slice] = []
    left: dict[str, Reason] = {}
    for one in ordered:
        if not kept or one.plane.position_mm - kept[-1].plane.position_mm > SAME_PLACE_MM:
            kept.append(one)
        else:
            left[one.loaded.ref.sop_instance_uid] = _REPEATED
    places = contiguity(one.plane.position_mm for one in ordered)
    return Stack(
        series_instance_uid=kept[0].loaded.ref.series_instance_uid,
        slices=tuple(kept),
        contiguity=places,
        notes=_notes(places) + _of_passes(taken, passes_of_series),
        field=field,
        left=left,
    )


def _place(one: Slice) -> tuple[float, float, str]:
    number = header.told_number(one.loaded.dataset, "InstanceNumber") or 0
    return one.plane.position_mm, number, one.loaded.ref.sop_instance_uid


def _notes(places: Contiguity) -> tuple[str, ...]:
    notes = []
    if places.gaps:
        where = ", ".join(f"{position:.0f} mm" for position in places.gaps_near_mm)
        slices = "1 slice" if places.gaps == 1 else f"{places.gaps} slices"
        notes.append(f"Series incomplete: {slices} missing near {where}.")
    if places.changes_spacing:
        notes.append(f"Slices lie {places.narrowest_mm:.3g} to {places.widest_mm:.3g} mm apart.")
    elif places.spacing_mm is not None and places.spacing_mm > _WIDE_MM:
        notes.append(f"Slices lie {places.spacing_mm:.0f} mm apart; what is between is not seen.")
    return tuple(notes)


def _of_passes(taken: Pass, passes_of_series: int) -> tuple[str, ...]:
    if passes_of_series < 2:  # noqa: PLR2004 (nothing to choose from)
        return ()
    return (
        f"The series holds {passes_of_series} passes over the same region, told apart by "
        f"{taken.told_by}; one of them is read.",
    )
