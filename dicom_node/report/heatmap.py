"""The heatmap: Grad-CAM over its source image, as Secondary Capture that every viewer shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import highdicom as hd
import numpy as np
from highdicom.sr import CodedConcept
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dcm
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dicom_node.domain import Finding, Heatmap, ObjectRef, TriageResult
from dicom_node.errors import ReportError
from dicom_node.report import naming, overlay, source, stamp
from dicom_node.report.measurements import most_urgent_first
from dicom_node.report.provenance import Station

SERIES_NUMBER: Final = 9004
_LOSSY: Final = (
    "LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod".split()
)


@dataclass(frozen=True, slots=True)
class HeatmapWriter:
    """Writes the heatmap of the leading finding of a run."""

    station: Station
    name: str = "heatmap"

    def reference(self, result: TriageResult) -> ObjectRef:
        """Return the UIDs of this run's heatmap."""
        return ObjectRef(
            sop_class_uid=SecondaryCaptureImageStorage,
            sop_instance_uid=naming.sop_instance_uid(result, self.name),
            series_instance_uid=naming.series_instance_uid(result, self.name),
        )

    def applies(self, heatmaps: Sequence[Heatmap]) -> bool:
        """Tell whether there is anything to draw."""
        return bool(heatmaps)

    def write(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> Dataset:
        """Draw the heatmap of the first finding that has one, what is present first.

        Raises ReportError where there is none, or where it does not lie on a source image.
        """
        finding, heatmap, _ = _leading(result, heatmaps)
        return self._drawn(result, source.headers(result, sources), finding, heatmap, 1)

    def further(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> Sequence[Dataset]:
        """Draw the other slices that carry the same finding, the strongest first.

        Raises ReportError as `write` does.
        """
        finding, _, others = _leading(result, heatmaps)
        if not others:
            return ()
        images = source.headers(result, sources)
        return tuple(
            self._drawn(result, images, finding, heatmap, number)
            for number, heatmap in enumerate(others, 2)
        )

    def _drawn(
        self,
        result: TriageResult,
        images: Sequence[Dataset],
        finding: Finding,
        heatmap: Heatmap,
        number: int,
    ) -> Dataset:
        shown = {str(image.SOPInstanceUID): image for image in images}.get(
            heatmap.source.sop_instance_uid
        )
        if shown is None:
            raise ReportError(f"the heatmap of {heatmap.label} lies on an image that was not read")
        at = source.local_time(result.completed_at, images[0], self.station.zone)
        try:
            picture = self._picture(result, images[0], at)
            picture.InstanceNumber = number
            if number > 1:
                uid = naming.further_uid(result, self.name, heatmap.source.sop_instance_uid)
                picture.SOPInstanceUID = uid
            _describe(picture, shown, finding)
            _set_pixels(picture, overlay.draw(heatmap.image, heatmap.weights, _banner(finding)))
        except (ValueError, TypeError, AttributeError, LookupError) as exc:
            raise ReportError(
                f"the heatmap of study {result.study_instance_uid} cannot be built: "
                f"{type(exc).__name__}"
            ) from exc
        return picture

    def _picture(self, result: TriageResult, header: Dataset, at: datetime) -> hd.SOPClass:
        reference = self.reference(result)
        picture = hd.SOPClass(
            study_instance_uid=result.study_instance_uid,
            series_instance_uid=reference.series_instance_uid,
            series_number=SERIES_NUMBER,
            series_description=stamp.series_description("heatmap"),
            sop_instance_uid=reference.sop_instance_uid,
            sop_class_uid=reference.sop_class_uid,
            instance_number=1,
            modality="OT",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            specific_character_set=source.UTF8,
        )
        stamp.stamp(picture, result, self.station, header, at)
        picture.DateOfSecondaryCapture = picture.ContentDate
        picture.TimeOfSecondaryCapture = picture.ContentTime
        return picture


def _leading(
    result: TriageResult, heatmaps: Sequence[Heatmap]
) -> tuple[Finding, Heatmap, tuple[Heatmap, ...]]:
    """Return the first finding that has heatmaps, the one to show, and its others as they come.

    What is shown lies on the image that the finding's region is on: report, heatmap and the image
    that a viewer opens are one.
    """
    for finding in most_urgent_first(result.findings):
        own = [heatmap for heatmap in heatmaps if heatmap.label == finding.label]
        at = finding.region.sop_instance_uid
        own.sort(key=lambda heatmap: heatmap.source.sop_instance_uid != at)
        if own:
            return finding, own[0], tuple(own[1:])
    raise ReportError(f"study {result.study_instance_uid} has no heatmap of any of its findings")


def _banner(finding: Finding) -> str:
    share = f"{100 * finding.probability:.1f} %"
    return f"RESEARCH USE ONLY - AI heatmap: {finding.code.meaning} {share}"


def _describe(picture: Dataset, shown: Dataset, finding: Finding) -> None:
    """Say what the picture is of and what was done (PS3.3 C.7.6.1, C.8.6.1)."""
    picture.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    picture.ConversionType = "WSD"
    picture.BurnedInAnnotation = "YES"
    picture.BodyPartExamined = "CHEST"  # unpaired, so that Laterality (2C) is not called for
    picture.PatientOrientation = shown.get("PatientOrientation")
    picture.ImageComments = "RESEARCH USE ONLY. The colours show what moved the model's answer."
    picture.DerivationDescription = (
        f"Gradient-weighted class activation (Grad-CAM) for {finding.code.meaning}, drawn over "
        "the source image, resized; not for diagnosis or measurement"
    )
    origin = Dataset()
    origin.ReferencedSOPClassUID = shown.SOPClassUID
    origin.ReferencedSOPInstanceUID = shown.SOPInstanceUID
    origin.PurposeOfReferenceCodeSequence = [
        CodedConcept.from_code(dcm.DCM.SourceImageForImageProcessingOperation)
    ]
    picture.SourceImageSequence = [origin]
    for keyword in _LOSSY:
        if keyword in shown:
            setattr(picture, keyword, shown[keyword].value)


def _set_pixels(picture: Dataset, rgb: NDArray[np.uint8]) -> None:
    picture.Rows, picture.Columns, picture.SamplesPerPixel = rgb.shape
    picture.PhotometricInterpretation = "RGB"
    picture.PlanarConfiguration = 0
    picture.BitsAllocated = picture.BitsStored = 8
    picture.HighBit = 7
    picture.PixelRepresentation = 0
    data = rgb.tobytes()
    picture.PixelData = data + b"\0" * (len(data) % 2)
