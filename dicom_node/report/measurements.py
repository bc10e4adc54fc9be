"""Measurement groups: one TID 1501 group for each class, and for each measured quantity.

OHIF draws and labels them, and hydrates only from a NUM that is INFERRED FROM a SCOORD, in a group
whose Tracking Identifier names one of its tools; it labels the rectangle with the group's Comment.
A SCOORD beside the NUM (TID 1410) would make it drop that label, so the Image Region (111030, DCM)
stands below the NUM only (`docs/decisions/0002-report-layout.md`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CoordinatesForMeasurement,
    FindingSite,
    GraphicTypeValues,
    MeasurementsAndQualitativeEvaluations,
    SourceImageForRegion,
    TrackingIdentifier,
)
from highdicom.sr import Measurement as Measured
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dcm

from dicom_node import codes
from dicom_node.codes import Code
from dicom_node.domain import Box, Finding, Measurement, Presence, Region, TriageResult
from dicom_node.errors import ReportError
from dicom_node.report import items, naming, provenance
from dicom_node.report.items import concept

TRACKING_IDENTIFIER: Final = "Cornerstone3DTools@^0.1.0:RectangleROI"
"""How a Tracking Identifier must begin for OHIF to draw the group; what it is of follows."""

_TOLERANCE_PX: Final = 1.0
_ORDER: Final = (Presence.PRESENT, Presence.UNDETERMINED, Presence.ABSENT)


def groups(
    result: TriageResult, images: Sequence[Dataset]
) -> list[MeasurementsAndQualitativeEvaluations]:
    """Return one TID 1501 group for each finding, what is present first, and each measurement.

    A viewer opens the first one, so that must be what the reader should look at. Raises
    ReportError where a region lies on an image that was not read, or outside of it.
    """
    by_uid = {str(image.SOPInstanceUID): image for image in images}
    found = [_finding(result, one, by_uid) for one in most_urgent_first(result.findings)]
    return found + [_measurement(result, one, by_uid) for one in result.measurements]


def most_urgent_first(findings: Sequence[Finding]) -> list[Finding]:
    """Return what is present first, then undetermined, then absent, else in the given order."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.presence))


def label(finding: Finding) -> str:
    """Return what a viewer writes beside the rectangle."""
    return f"AI {finding.code.meaning} {100 * finding.probability:.1f} % {finding.presence.value}"


def perimeter(box: Box, rows: int, columns: int) -> NDArray[np.float64]:
    """Return the box as a closed polyline (5, 2) of (column, row), clockwise from top left.

    Within (0, 0) to (columns, rows), the range of SCOORD (PS3.3 C.18.6). Raises ReportError for
    a box that is empty or leaves the image by more than one pixel.
    """
    edges = np.array([box.left, box.top, box.right, box.bottom], dtype=np.float64)
    inside = np.clip(edges, 0, [columns, rows, columns, rows])
    if not np.all(np.abs(edges - inside) <= _TOLERANCE_PX):
        raise ReportError(f"a region leaves its image of {columns} x {rows} pixels: {box}")
    left, top, right, bottom = inside
    if not (left < right and top < bottom):
        raise ReportError(f"a region is empty: {box}")
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]])


def measured_label(measurement: Measurement) -> str:
    """Return what a viewer writes beside the rectangle of a measurement."""
    value = f"{measurement.value:.1f} {measurement.unit.value}"
    return f"AI {measurement.finding.meaning} {value}, {measurement.quantity.meaning.lower()}"


def _finding(
    result: TriageResult, finding: Finding, images: Mapping[str, Dataset]
) -> MeasurementsAndQualitativeEvaluations:
    number = Measured(
        name=concept(codes.PROBABILITY),
        value=round(100 * finding.probability, 2),
        unit=concept(codes.PERCENT),
        referenced_coordinates=[_outline(finding.region, finding.label, images)],
    )
    return _group(
        uid=naming.tracking_uid(result.study_instance_uid, finding.label),
        tracked=f"AI {finding.code.meaning}",
        finding=finding.code,
        algorithm=provenance.algorithm(result, finding),
        number=number,
        comment=label(finding),
    )


def _measurement(
    result: TriageResult, measurement: Measurement, images: Mapping[str, Dataset]
) -> MeasurementsAndQualitativeEvaluations:
    number = Measured(
        name=concept(measurement.quantity),
        value=round(measurement.value, 2),
        unit=concept(measurement.unit),
        referenced_coordinates=[_outline(measurement.region, measurement.finding.meaning, images)],
    )
    return _group(
        uid=naming.tracking_uid(result.study_instance_uid, measurement.quantity.value),
        tracked=f"AI {measurement.finding.meaning}, {measurement.quantity.meaning.lower()}",
        finding=measurement.finding,
        algorithm=provenance.method(result, measurement),
        number=number,
        comment=measured_label(measurement),
    )


def _outline(region: Region, what: str, images: Mapping[str, Dataset]) -> CoordinatesForMeasurement:
    image = images.get(region.sop_instance_uid)
    if image is None:
        raise ReportError(f"the region of {what} lies on an image that was not read")
    return CoordinatesForMeasurement(
        GraphicTypeValues.POLYLINE,
        perimeter(region.box, int(image.Rows), int(image.Columns)),
        SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
        purpose=dcm.DCM.ImageRegion,
    )


def _group(
    *,
    uid: str,
    tracked: str,
    finding: Code,
    algorithm: AlgorithmIdentification,
    number: Measured,
    comment: str,
) -> MeasurementsAndQualitativeEvaluations:
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=uid, identifier=f"{TRACKING_IDENTIFIER}:{tracked}"
        ),
        finding_type=concept(finding),
        finding_sites=[FindingSite(concept(codes.LUNG))],
        algorithm_id=algorithm,
        measurements=[number],
    )
    group[0].ContentSequence.append(items.text(dcm.DCM.Comment, comment))
    return group
