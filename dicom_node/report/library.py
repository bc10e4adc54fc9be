"""The image library of a report: TID 1600 with the images that were read.

Written here because highdicom's demands Patient Orientation and Imager Pixel Spacing, which
many films lack, and repeats for each slice what all slices share. What all images of a group
have in common stands once, at the group (TID 1600 row 4); Modality stands at each image.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    ImageContentItem,
    TextContentItem,
    UIDRefContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dcm

from dicom_node import codes
from dicom_node.codes import Code
from dicom_node.errors import ReportError
from dicom_node.report.items import CONTAINS, HAS_ACQ_CONTEXT, concept, container, number

_MODALITIES: Final = {
    "CR": dcm.DCM.ComputedRadiography,
    "DX": dcm.DCM.DigitalRadiography,
    "CT": dcm.DCM.ComputedTomography,
}


@dataclass(frozen=True, slots=True)
class _Descriptor:
    """One row of TID 1602, 1603 or 1604: where its value stands, and how it is written."""

    name: CodedConcept
    keyword: str
    index: int | None
    item: Callable[[CodedConcept, Any], ContentItem]

    def value(self, image: Dataset) -> Any:  # noqa: ANN401 - a DICOM value is what its VR says
        """Return the value in this image, None where it has none."""
        value = image.get(self.keyword)
        if value in (None, "") or self.index is None:
            return value if value != "" else None
        return value[self.index] if len(value) > self.index else None


def _uid(name: CodedConcept, value: Any) -> ContentItem:  # noqa: ANN401
    return UIDRefContentItem(name=name, value=str(value), relationship_type=HAS_ACQ_CONTEXT)


def _text(name: CodedConcept, value: Any) -> ContentItem:  # noqa: ANN401
    return TextContentItem(name=name, value=str(value), relationship_type=HAS_ACQ_CONTEXT)


def _number(unit: Code) -> Callable[[CodedConcept, Any], ContentItem]:
    return lambda name, value: number(name, float(value), unit)


def _count(name: CodedConcept, value: Any) -> ContentItem:  # noqa: ANN401
    return number(name, int(value), codes.PIXELS)


_MM, _COSINE = map(_number, (codes.MILLIMETRE, codes.DIRECTION_COSINE))

_IMAGE: Final = (
    _Descriptor(dcm.DCM.FrameOfReferenceUID, "FrameOfReferenceUID", None, _uid),
    _Descriptor(dcm.DCM.PixelDataRows, "Rows", None, _count),
    _Descriptor(dcm.DCM.PixelDataColumns, "Columns", None, _count),
)
_PROJECTION: Final = (
    _Descriptor(dcm.DCM.PatientOrientationRow, "PatientOrientation", 0, _text),
    _Descriptor(dcm.DCM.PatientOrientationColumn, "PatientOrientation", 1, _text),
    _Descriptor(dcm.DCM.HorizontalPixelSpacing, "ImagerPixelSpacing", 1, _MM),
    _Descriptor(dcm.DCM.VerticalPixelSpacing, "ImagerPixelSpacing", 0, _MM),
)
_CROSS_SECTION: Final = (
    _Descriptor(dcm.DCM.HorizontalPixelSpacing, "PixelSpacing", 1, _MM),
    _Descriptor(dcm.DCM.VerticalPixelSpacing, "PixelSpacing", 0, _MM),
    _Descriptor(dcm.DCM.SpacingBetweenSlices, "SpacingBetweenSlices", None, _MM),
    _Descriptor(dcm.DCM.SliceThickness, "SliceThickness", None, _MM),
    *(
        _Descriptor(getattr(dcm.DCM, f"ImagePositionPatient{axis}"), "ImagePositionPatient", i, _MM)
        for i, axis in enumerate("XYZ")
    ),
    *(
        _Descriptor(
            getattr(dcm.DCM, f"ImageOrientationPatient{way}{axis}"),
            "ImageOrientationPatient",
            i + 3 * (way == "Column"),
            _COSINE,
        )
        for way in ("Row", "Column")
        for i, axis in enumerate("XYZ")
    ),
)


def library(images: Sequence[Dataset]) -> ContainerContentItem:
    """Return (111028, DCM, "Image Library") with one group for each series.

    Raises ReportError for a modality that the node does not read.
    """
    whole = container(dcm.DCM.ImageLibrary)
    whole.ContentSequence = ContentSequence()
    for _, members in groupby(images, key=lambda image: str(image.SeriesInstanceUID)):
        whole.ContentSequence.append(_group(list(members)))
    return whole


def _group(images: Sequence[Dataset]) -> ContainerContentItem:
    rows = _IMAGE + (_CROSS_SECTION if images[0].get("Modality") == "CT" else _PROJECTION)
    shared = [row for row in rows if len(images) > 1 and _is_shared(row, images)]
    own = [row for row in rows if row not in shared]
    group = container(dcm.DCM.ImageLibraryGroup)
    group.ContentSequence = ContentSequence(_items(shared, images[0]))
    group.ContentSequence.extend(_entry(image, own) for image in images)
    return group


def _is_shared(row: _Descriptor, images: Sequence[Dataset]) -> bool:
    first = images[0].get(row.keyword)
    return all(image.get(row.keyword) == first for image in images)


def _entry(image: Dataset, rows: Sequence[_Descriptor]) -> ImageContentItem:
    entry = ImageContentItem(
        name=concept(codes.SOURCE),
        referenced_sop_class_uid=image.SOPClassUID,
        referenced_sop_instance_uid=image.SOPInstanceUID,
        relationship_type=CONTAINS,
    )
    modality = _MODALITIES.get(image.get("Modality", ""))
    if modality is None:
        raise ReportError(f"image {image.SOPInstanceUID} has no modality that the node reads")
    entry.ContentSequence = ContentSequence(
        [
            CodeContentItem(
                name=dcm.DCM.Modality, value=modality, relationship_type=HAS_ACQ_CONTEXT
            ),
            *_items(rows, image),
        ]
    )
    return entry


def _items(rows: Iterable[_Descriptor], image: Dataset) -> list[ContentItem]:
    values = ((row, row.value(image)) for row in rows)
    return [row.item(row.name, value) for row, value in values if value is not None]
