"""What the Basic Profile does with each attribute: PS3.15 Table E.1-1, and what we keep.

The table is dicom-anonymizer's transcription (edition 2024b). Its engine is not used: it looks at
the top level alone, and draws random UIDs. Where the table is silent we are stricter than it:
free text is kept only where `KEPT_TEXT` names it.
"""

from enum import StrEnum
from functools import cache
from typing import Final

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from pydicom.datadict import tag_for_keyword
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

_EDITION: Final = "dicomfields_2024b"


class Action(StrEnum):
    """The letters of Table E.1-1."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"


_COLUMNS: Final = {
    "X_TAGS": Action.REMOVE,
    "X_Z_TAGS": Action.EMPTY,
    "Z_TAGS": Action.EMPTY,
    "Z_D_TAGS": Action.EMPTY,
    "X_D_TAGS": Action.DUMMY,
    "X_Z_D_TAGS": Action.DUMMY,
    "X_Z_U_STAR_TAGS": Action.UID,
    "D_TAGS": Action.DUMMY,
    "U_TAGS": Action.UID,
}

FREE_TEXT: Final = frozenset({VR.AE, VR.LO, VR.LT, VR.PN, VR.SH, VR.ST, VR.UC, VR.UR, VR.UT})
BINARY: Final = frozenset({VR.OB, VR.OD, VR.OF, VR.OL, VR.OV, VR.OW, VR.UN})
MOMENTS: Final = frozenset({VR.DA, VR.DT, VR.TM})

_TEXT: Final = (
    # what made the image, which a researcher must know and which names nobody
    "Manufacturer ManufacturerModelName SoftwareVersions ConvolutionKernel FilterType RescaleType "
    # codes, and their meaning
    "CodeValue LongCodeValue CodingSchemeDesignator CodingSchemeVersion CodeMeaning "
    # units, and the words of the de-identification itself
    "DeidentificationMethod PixelSpacingCalibrationDescription"
)
_BYTES: Final = "PixelData LUTData"
_SEQUENCES: Final = (
    # references and what is measured; the cleaning goes on inside
    "ContentSequence ConceptNameCodeSequence ConceptCodeSequence MeasuredValueSequence "
    "MeasurementUnitsCodeSequence ReferencedSOPSequence ReferencedSeriesSequence "
    "CurrentRequestedProcedureEvidenceSequence PertinentOtherEvidenceSequence "
    "PredecessorDocumentsSequence ContentTemplateSequence PerformedProcedureCodeSequence "
    "SourceImageSequence PurposeOfReferenceCodeSequence AnatomicRegionSequence ViewCodeSequence "
    "ViewModifierCodeSequence AnatomicRegionModifierSequence PatientOrientationCodeSequence "
    "PatientGantryRelationshipCodeSequence ModalityLUTSequence VOILUTSequence "
    "ContributingEquipmentSequence DeidentificationMethodCodeSequence DerivationCodeSequence "
    "NumericValueQualifierCodeSequence ReferencedPerformedProcedureStepSequence"
)


def _tags(keywords: str) -> frozenset[BaseTag]:
    found = {keyword: tag_for_keyword(keyword) for keyword in keywords.split()}
    return frozenset(BaseTag(tag) for tag in found.values() if tag is not None)


KEPT_TEXT: Final = _tags(_TEXT)
KEPT_BYTES: Final = _tags(_BYTES)
KEPT_SEQUENCES: Final = _tags(_SEQUENCES)


@cache
def _table() -> dict[BaseTag, Action]:
    database = dicom_anonymization_database_selector(_EDITION)
    return {
        BaseTag(tag[0] << 16 | tag[1]): action
        for column, action in _COLUMNS.items()
        for tag in database[column]
        if len(tag) == 2  # noqa: PLR2004  # four numbers: repeating groups, see `is_overlay`
    }


def action(tag: BaseTag) -> Action | None:
    """Return what the profile does with an attribute; None where it is silent."""
    return _table().get(tag)


def is_overlay(tag: BaseTag) -> bool:
    """Whether the tag is of the repeating groups: curves (50xx) and overlays (60xx)."""
    return tag.group & 0xFF00 in {0x5000, 0x6000}
