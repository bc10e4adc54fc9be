"""Which of several CT stacks is read, and what decided it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from dicom_node.contiguity import contiguity, without_strays
from dicom_node.domain import Refusal, RefusalCode, SeriesRef
from dicom_node.errors import PixelError
from dicom_node.pixels import header
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.reconstruction import Look, Sharpness, is_original, look, sharpness
from dicom_node.pixels.slices import axial
from dicom_node.pixels.stack import Stack
from dicom_node.policy import Limits

_MOST_LUNG = 0.6
"""A stack with less than this share of the best one's lung is of another body region."""
_NOISIER = 1.6
"""A stack of unknown kernel this much noisier than the calmest counts as sharp."""
_LESS_INFLATED_HU = 60.0
"""Lung this much denser than that of another stack was breathed out."""
_THIN_MM = 5.0
_THICK_MM = 10.0

_WHY = (
    "it shows more lung", "its slices are the scanner's own", "its kernel is softer",
    "its slices lie closer", "no slice is missing in it", "the breath is deeper in it",
    "it covers more", "it needs fewer slices for that", "its series number is lower",
    "its Series Instance UID is lower",
)  # fmt: skip
"""What each part of the key says of the stack that is read."""

Key = tuple[object, ...]

WORST: Key = (True, True, Sharpness.SHARP, 2, True, 0.0, 0)
"""The part of `by_header` before the UID for a series whose header cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Stacks in the order in which they should be read, and those that cannot be.

    Where there is but one, nothing is looked at and there is no ``keys``.
    """

    stacks: tuple[Stack, ...]
    keys: Mapping[int, Key] = field(default_factory=dict)
    broken: Mapping[int, Refusal] = field(default_factory=dict)

    def why(self, read: Stack, other: Stack) -> str:
        """Tell why the one was read rather than the other; '' where nothing decided."""
        mine, theirs = self.keys.get(id(read)), self.keys.get(id(other))
        if mine is None or theirs is None:
            return ""
        pairs = zip(mine, theirs, _WHY, strict=True)
        return next((why for here, there, why in pairs if here != there), "")


def ranked(candidates: Sequence[Stack], limits: Limits) -> Ranking:
    """Order the candidates by the rule of `select`, the best first."""
    if len(candidates) < 2:  # noqa: PLR2004 (nothing to compare: nothing to decode twice)
        return Ranking(tuple(candidates))
    looks: list[tuple[Stack, Look]] = []
    broken: dict[int, Refusal] = {}
    for stack in candidates:
        try:
            looks.append((stack, look(stack, limits)))
        except PixelError as exc:
            broken[id(stack)] = Refusal(RefusalCode(exc.code), exc.reason)
    keys = _keys(looks)
    order = sorted((stack for stack, _ in looks), key=lambda stack: keys[id(stack)])
    return Ranking(tuple(order), keys, broken)


def by_header(ds: Dataset, series: SeriesRef) -> Key:
    """Rank a series by the header of one image and its listing alone, the best first.

    As `ranked` does, but for what only pixels tell.
    """
    places = contiguity(without_strays(series.positions_mm))
    slices, _ = axial([Loaded(series.instances[0], ds)])
    extent_mm = places.positions_mm[-1] - places.positions_mm[0] if places.positions_mm else 0.0
    return (
        not slices,
        not is_original(ds),
        sharpness(ds),
        _thickness_class(places.spacing_mm or 0),
        places.gaps > 0,
        -extent_mm,
        len(series.instances),
        series.series_instance_uid,
    )


def _keys(looks: Sequence[tuple[Stack, Look]]) -> dict[int, Key]:
    most_lung = max((seen.lung_ml for _, seen in looks), default=0.0)
    calmest = min((seen.noise_hu for _, seen in looks), default=0.0)
    deepest = min((seen.lung_hu for _, seen in looks if seen.lung_ml), default=0.0)
    return {
        id(stack): (
            seen.lung_ml < _MOST_LUNG * most_lung,
            not is_original(stack.slices[0].loaded.dataset),
            _kernel(stack, seen, calmest),
            _thickness_class(stack.contiguity.spacing_mm or 0),
            stack.contiguity.gaps > 0,
            seen.lung_hu > deepest + _LESS_INFLATED_HU,
            -round(_extent_mm(stack) / 10),
            len(stack.slices),
            header.told_number(stack.slices[0].loaded.dataset, "SeriesNumber") or 0,
            stack.series_instance_uid,
        )
        for stack, seen in looks
    }


def _kernel(stack: Stack, seen: Look, calmest_hu: float) -> Sharpness:
    kernel = sharpness(stack.slices[0].loaded.dataset)
    if kernel is Sharpness.UNKNOWN and seen.noise_hu > _NOISIER * calmest_hu:
        return Sharpness.SHARP
    return kernel


def _extent_mm(stack: Stack) -> float:
    places = stack.contiguity.positions_mm
    return places[-1] - places[0]


def _thickness_class(spacing_mm: float) -> int:
    return (spacing_mm > _THIN_MM) + (spacing_mm > _THICK_MM)
