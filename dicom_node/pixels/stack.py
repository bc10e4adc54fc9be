"""Slices of one series that lie one behind the other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.contiguity import SAME_PLACE_MM, Contiguity, contiguity
from dicom_node.domain import RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import digest, header
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.slices import Slice, axial, commonest
from dicom_node.policy import Limits

_WIDE_MM = 12.0
"""Slices further apart than this leave out more than they show."""
_ANOTHER_PASS = 0.5
"""Repeating this share of its places, a series holds several passes, not a stray slice."""

_Frame = tuple[tuple[float, ...], int, int, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Parallel axial slices at distinct places, from the feet to the head."""

    series_instance_uid: str
    slices: tuple[Slice, ...]
    contiguity: Contiguity
    notes: tuple[str, ...]


def stacks(series: Sequence[Loaded], limits: Limits) -> tuple[Stack, ...]:
    """Find the stacks in the instances of one series, the largest first.

    A series that mixes orientations or matrix sizes is split; several passes over the same
    places are split by Acquisition Number; a single repeated slice is left out with a note.

    Raises PixelError where no stack is left: as `slices.axial`, and DUPLICATE_SOP_INSTANCE_UID,
    INCONSISTENT_HEADER, TOO_FEW_SLICES, IMAGE_TOO_LARGE.
    """
    instances = distinct(series)
    slices, refusals = axial(instances)
    if not slices:
        why = commonest(refusals)
        raise PixelError(why.code, why.reason)
    frames: defaultdict[_Frame, list[Slice]] = defaultdict(list)
    for one in slices:
        frames[_frame(one)].append(one)
    found = [
        stack for group in frames.values() for part in _passes(group) if (stack := _stack(part))
    ]
    found.sort(key=lambda stack: -len(stack.slices))
    readable = tuple(
        s for s in found if limits.ct_min_slices <= len(s.slices) <= limits.ct_max_slices
    )
    if readable:
        return readable
    count = len(found[0].slices)
    if count > limits.ct_max_slices:
        raise PixelError(
            RefusalCode.IMAGE_TOO_LARGE,
            f"The series holds {count} slices; the limit is {limits.ct_max_slices}.",
        )
    raise PixelError(
        RefusalCode.TOO_FEW_SLICES,
        f"The series holds {count} axial slice{'s' if count > 1 else ''}; at least "
        f"{limits.ct_min_slices} are needed.",
    )


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


def _frame(one: Slice) -> _Frame:
    ds, plane = one.loaded.dataset, one.plane
    return (
        tuple(round(component, 2) + 0.0 for component in plane.normal),
        header.required_integer(ds, "Rows"),
        header.required_integer(ds, "Columns"),
        round(plane.row_spacing_mm, 3),
        round(plane.column_spacing_mm, 3),
    )


def _passes(group: list[Slice]) -> list[list[Slice]]:
    places = contiguity(one.plane.position_mm for one in group)
    if places.repeated < _ANOTHER_PASS * len(places.positions_mm):
        return [group]
    by_acquisition: defaultdict[int | None, list[Slice]] = defaultdict(list)
    for one in group:
        by_acquisition[header.integer(one.loaded.dataset, "AcquisitionNumber")].append(one)
    return list(by_acquisition.values())


def _stack(group: list[Slice]) -> Stack:
    ordered = sorted(group, key=_place)
    kept: list[Slice] = []
    for one in ordered:
        if not kept or one.plane.position_mm - kept[-1].plane.position_mm > SAME_PLACE_MM:
            kept.append(one)
    places = contiguity(one.plane.position_mm for one in ordered)
    return Stack(
        series_instance_uid=kept[0].loaded.ref.series_instance_uid,
        slices=tuple(kept),
        contiguity=places,
        notes=_notes(places),
    )


def _place(one: Slice) -> tuple[float, int, str]:
    number = header.integer(one.loaded.dataset, "InstanceNumber") or 0
    return one.plane.position_mm, number, one.loaded.ref.sop_instance_uid


def _notes(places: Contiguity) -> tuple[str, ...]:
    notes = []
    if places.gaps:
        where = ", ".join(f"{position:.0f} mm" for position in places.gaps_near_mm)
        slices = "1 slice" if places.gaps == 1 else f"{places.gaps} slices"
        notes.append(f"Series incomplete: {slices} missing near {where}.")
    if places.repeated:
        many = "1 slice" if places.repeated == 1 else f"{places.repeated} slices"
        notes.append(f"{many} at a repeated position left out.")
    if places.spacing_mm is not None and places.spacing_mm > _WIDE_MM:
        notes.append(f"Slices lie {places.spacing_mm:.0f} mm apart; what is between is not seen.")
    return tuple(notes)
