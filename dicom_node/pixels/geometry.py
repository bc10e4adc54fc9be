"""Where a CT slice lies in the patient (PS3.3 C.7.6.2): plane, position, spacing.

Patient coordinates: x to the left, y to the back, z to the head, in mm.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.contiguity import Contiguity, contiguity
from dicom_node.pixels import header

__all__ = ["Contiguity", "Orientation", "Plane", "contiguity", "plane"]

_MOSTLY = 0.8
"""Cosine of 37°: a tilted gantry (up to 30°) still gives axial slices."""
_ORTHONORMAL = 0.01


class Orientation(StrEnum):
    """The anatomical plane that a slice lies closest to."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    OBLIQUE = "oblique"


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice in the patient.

    ``normal`` is a unit vector that points to the head (axial), the back (coronal) or the left
    (sagittal); ``position_mm`` is the slice's first pixel projected on it. ``directions`` are
    unit vectors along the rows and the columns of the image.
    """

    orientation: Orientation
    normal: tuple[float, float, float]
    position_mm: float
    row_spacing_mm: float
    column_spacing_mm: float
    directions: tuple[tuple[float, ...], tuple[float, ...]]


def plane(ds: Dataset) -> Plane | None:
    """Read a slice's plane; None where the header says nothing of it.

    Raises PixelError with INCONSISTENT_HEADER where what it says cannot be.
    """
    cosines = header.vector(ds, "ImageOrientationPatient", 6)
    origin = header.vector(ds, "ImagePositionPatient", 3)
    spacing = header.vector(ds, "PixelSpacing", 2)
    if cosines is None or origin is None or spacing is None:
        return None
    if min(spacing) <= 0:
        raise header.refuse("PixelSpacing", "is not positive")
    row, column = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(row @ column)) > _ORTHONORMAL:
        raise header.refuse("ImageOrientationPatient", "is not two perpendicular unit vectors")
    normal = np.cross(row, column) / (lengths[0] * lengths[1])
    axis = int(np.argmax(np.abs(normal)))
    if normal[axis] < 0:
        normal = -normal
    position_mm = float(normal @ np.array(origin))
    if not math.isfinite(position_mm):
        raise header.refuse("ImagePositionPatient", "is beyond all measure")
    names = (Orientation.SAGITTAL, Orientation.CORONAL, Orientation.AXIAL)
    return Plane(
        orientation=names[axis] if normal[axis] >= _MOSTLY else Orientation.OBLIQUE,
        normal=(float(normal[0]), float(normal[1]), float(normal[2])),
        position_mm=position_mm,
        row_spacing_mm=spacing[0],
        column_spacing_mm=spacing[1],
        directions=(tuple(row / lengths[0]), tuple(column / lengths[1])),
    )
