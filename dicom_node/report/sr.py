"""The structured report: Comprehensive 3D SR, TID 1500 Imaging Measurement Report."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten
from typing import Final

from highdicom.sr import Comprehensive3DSR, MeasurementReport
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dcm
from pydicom.uid import Comprehensive3DSRStorage

from dicom_node import codes
from dicom_node.domain import Heatmap, ObjectRef, StudyKind, TriageResult
from dicom_node.errors import ReportError
from dicom_node.report import naming, provenance, request, source, stamp
from dicom_node.report.evaluations import evaluations
from dicom_node.report.items import concept
from dicom_node.report.library import library
from dicom_node.report.measurements import groups
from dicom_node.report.provenance import Station

SERIES_NUMBER: Final = 9001
_REPORTED: Final = {
    StudyKind.CXR: codes.IMAGING_PROCEDURE,
    StudyKind.CT: codes.CT_UNSPECIFIED,
}
_LONGEST_LO: Final = 64
_PERFORMED: Final = {StudyKind.CXR: codes.CHEST_RADIOGRAPH, StudyKind.CT: codes.CHEST_CT}


@dataclass(frozen=True, slots=True)
class SrWriter:
    """Writes the report of a run."""

    station: Station
    name: str = "sr"

    def reference(self, result: TriageResult) -> ObjectRef:
        """Return the UIDs of this run's report."""
        return ObjectRef(
            sop_class_uid=Comprehensive3DSRStorage,
            sop_instance_uid=naming.sop_instance_uid(result, self.name),
            series_instance_uid=naming.series_instance_uid(result, self.name),
        )

    def applies(self, heatmaps: Sequence[Heatmap]) -> bool:
        """Tell that there is always something to report, with a heatmap or without."""
        del heatmaps
        return True

    def write(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> Dataset:
        """Encode ``result``; ``heatmaps`` have an object of their own.

        Raises ReportError where the sources are not the evidence, or a value has no place in
        the object.
        """
        images = source.headers(result, sources)
        at = source.local_time(result.completed_at, images[0], self.station.zone)
        try:
            report = self._document(result, images, at)
        except (ValueError, TypeError, AttributeError, LookupError) as exc:
            raise ReportError(
                f"the report of study {result.study_instance_uid} cannot be built: "
                f"{type(exc).__name__}"
            ) from exc
        return report

    def further(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> Sequence[Dataset]:
        """Return nothing: one report says it all."""
        del result, sources, heatmaps
        return ()

    def _document(
        self, result: TriageResult, images: Sequence[Dataset], at: datetime
    ) -> Comprehensive3DSR:
        reference = self.reference(result)
        report = Comprehensive3DSR(
            evidence=[source.without_name(images[0]), *images[1:]],
            content=_content(result, images, self.station),
            series_instance_uid=reference.series_instance_uid,
            series_number=SERIES_NUMBER,
            series_description=stamp.series_description(),
            sop_instance_uid=reference.sop_instance_uid,
            instance_number=result.number,
            is_complete=not result.incomplete,
            is_final=False,
            is_verified=False,
            performed_procedure_codes=[concept(_PERFORMED[result.kind])],
            requested_procedures=request.references(images[0]),
            previous_versions=_predecessors(result),
            specific_character_set=source.UTF8,
        )
        if result.incomplete:
            report.CompletionFlagDescription = shorten(result.incomplete, _LONGEST_LO)
        stamp.stamp(report, result, self.station, images[0], at)
        report.CodingSchemeIdentificationSequence = [_own_scheme()]
        return report


def _own_scheme() -> Dataset:
    """Say what stands behind the private codes (PS3.3 C.12.1.1.1.1)."""
    scheme = Dataset()
    scheme.CodingSchemeDesignator = codes.OWN_SCHEME
    scheme.CodingSchemeUID = naming.CODING_SCHEME_UID
    scheme.CodingSchemeName = "dicom-node private codes"
    scheme.CodingSchemeResponsibleOrganization = codes.MANUFACTURER
    return scheme


def _content(
    result: TriageResult, images: Sequence[Dataset], station: Station
) -> MeasurementReport:
    report = MeasurementReport(
        observation_context=provenance.observer(result, station, naming.device_uid(result.model)),
        procedure_reported=concept(_REPORTED[result.kind]),
        imaging_measurements=groups(result, images),
        title=dcm.DCM.ImagingMeasurementReport,
    )
    content = report[0].ContentSequence
    content.insert(len(content) - 1, library(images))
    content.append(evaluations(result))
    _separate(report[0])
    return report


def _separate(item: Dataset) -> None:
    """Set every container SEPARATE; highdicom's CONTINUOUS makes OHIF drop the names."""
    if item.ValueType == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    for child in item.get("ContentSequence", ()):
        _separate(child)


def _predecessors(result: TriageResult) -> list[Dataset] | None:
    if result.predecessor is None:
        return None
    old = Dataset()
    old.StudyInstanceUID = result.study_instance_uid
    old.SeriesInstanceUID = result.predecessor.series_instance_uid
    old.SOPClassUID = result.predecessor.sop_class_uid
    old.SOPInstanceUID = result.predecessor.sop_instance_uid
    return [old]
