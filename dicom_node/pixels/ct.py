"""A chest CT series as Hounsfield units in space."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.domain import Geometry, RefusalCode, Sample, StudyKind
from dicom_node.errors import PixelError
from dicom_node.pixels import decode, header
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.stack import Stack, stacks
from dicom_node.policy import Limits

AIR_HU = -1024.0
"""What lies outside the scanner's circle becomes this; nothing is less dense than air."""
_HOUNSFIELD = frozenset({"", "HU", "HU_MOD", "US"})
"""Rescale Types of CT numbers; US (unspecified) is what many scanners write (PS3.3 C.11.1.1.2)."""
_BLANK_HU = 50.0


def volume(series: Sequence[Loaded], limits: Limits) -> Sample:
    """Turn the instances of one CT series into a sample: float32 (slices, rows, columns), HU.

    Slices run from the feet to the head by Image Position (Patient) on the slice normal.
    Raises PixelError: as `stack.stacks` and `read`.
    """
    return read(stacks(series, limits)[0], limits)


def read(stack: Stack, limits: Limits) -> Sample:
    """Decode a stack; raises PixelError: as `decode.frame`, INCONSISTENT_HEADER, BLANK_IMAGE."""
    first = stack.slices[0]
    rows, columns = first.loaded.dataset.Rows, first.loaded.dataset.Columns
    if min(rows, columns) < limits.min_edge_px:
        raise PixelError(
            RefusalCode.IMAGE_TOO_SMALL, f"The slices are {columns} x {rows} pixels: too small."
        )
    for one in stack.slices:
        decode.check(one.loaded.dataset, limits)
    pixels = np.empty((len(stack.slices), rows, columns), np.float32)
    for index, one in enumerate(stack.slices):
        pixels[index] = hounsfield(one.loaded.dataset, limits)
    if float(np.ptp(pixels)) < _BLANK_HU:
        raise PixelError(RefusalCode.BLANK_IMAGE, "The slices are blank.")
    return Sample(
        kind=StudyKind.CT,
        pixels=pixels,
        geometry=Geometry(
            row_spacing_mm=first.plane.row_spacing_mm,
            column_spacing_mm=first.plane.column_spacing_mm,
            slice_spacing_mm=stack.contiguity.spacing_mm,
            positions_mm=tuple(one.plane.position_mm for one in stack.slices),
            gaps=stack.contiguity.gaps,
        ),
        sources=tuple(one.loaded.ref for one in stack.slices),
        notes=stack.notes,
        hints=_hints(first.loaded.dataset),
    )


def hounsfield(ds: Dataset, limits: Limits) -> NDArray[np.float32]:
    """Decode one slice to Hounsfield units, padding and what is below air set to air."""
    slope, intercept = header.number(ds, "RescaleSlope"), header.number(ds, "RescaleIntercept")
    if not slope or intercept is None:
        raise header.refuse("RescaleSlope", "and Intercept do not lead to Hounsfield units")
    if header.told(ds, "RescaleType") not in _HOUNSFIELD:
        raise header.refuse("RescaleType", "is not Hounsfield units")
    stored = decode.frame(ds, limits)
    units: NDArray[np.float32] = stored.astype(np.float32) * np.float32(slope)
    units += np.float32(intercept)
    np.maximum(units, AIR_HU, out=units)
    padding = header.told_number(ds, "PixelPaddingValue")
    if padding is not None:
        units[stored == padding] = AIR_HU
    return units


def _hints(ds: Dataset) -> dict[str, str]:
    claims = {
        "modality": "Modality",
        "body_part": "BodyPartExamined",
        "patient_position": "PatientPosition",
        "kernel": "ConvolutionKernel",
    }
    found = {name: header.told(ds, keyword) for name, keyword in claims.items()}
    return {name: value for name, value in found.items() if value}
