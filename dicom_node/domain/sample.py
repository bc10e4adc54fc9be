"""Pixels in physical units, and regions on them.

Positions and boxes are in pixels of the source image, origin at the top left corner of the
first pixel, x to the right (columns), y downwards (rows): the convention of SCOORD
(PS3.3 C.18.6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dicom_node.domain.study import InstanceRef, StudyKind


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the pixels of a sample lie.

    ``row_spacing_mm`` is the distance between rows, ``column_spacing_mm`` between columns,
    None where the header gives none that can be trusted. For CT, ``slice_spacing_mm`` comes
    from Image Position (Patient) projected on the slice normal, never from Slice Thickness
    (PS3.3 C.7.6.2.1.1), ``positions_mm`` are those projections in the order of the sample and
    ``gaps`` counts slices that are missing between them.
    """

    row_spacing_mm: float | None = None
    column_spacing_mm: float | None = None
    slice_spacing_mm: float | None = None
    positions_mm: tuple[float, ...] = ()
    gaps: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Pixels in physical units, ready for a model.

    ``pixels``: float32. CXR: (rows, columns), 0 = darkest (air) to 1 = brightest (bone), the
    full range of the film, never inverted against that. CT: (slices, rows, columns) in
    Hounsfield units, head first or feet first as acquired, sorted by position.
    ``sources`` names the instance behind each slice, in the same order; a film has one.
    ``notes`` are sentences for the report, for example that a slice was missing.
    ``hints`` are header claims (body part, view), which the gate may weigh but never trusts.
    """

    kind: StudyKind
    pixels: NDArray[np.float32]
    geometry: Geometry
    sources: tuple[InstanceRef, ...]
    notes: tuple[str, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned region of one source image: 0 ≤ left < right ≤ columns, same for rows."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Region:
    """A box on one source instance."""

    sop_instance_uid: str
    box: Box
