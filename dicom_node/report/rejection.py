"""The rejection note: a Key Object Selection by which archives hide what is no longer true.

IHE IOCM (RAD-66): the note names the objects; an archive that takes it shows them no more.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom.dataset import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage
from pydicom.valuerep import DA, TM

from dicom_node import codes, uids
from dicom_node.codes import Code
from dicom_node.domain import ObjectRef, contradictions
from dicom_node.errors import ReportError
from dicom_node.report import source, stamp
from dicom_node.report.items import concept
from dicom_node.report.provenance import PRODUCT, VERSION, Station

NAME: Final = "rejection"
SERIES_NUMBER: Final = 9005


class Rejection(Enum):
    """Why objects are rejected: the document title of the note (PS3.16 CID 7010)."""

    SUPERSEDED = codes.REJECTED_FOR_QUALITY
    WRONG_PATIENT = codes.INCORRECT_WORKLIST_ENTRY
    UNSAFE = codes.REJECTED_FOR_SAFETY

    @property
    def title(self) -> Code:
        """Return the code that stands at the top."""
        return self.value


@dataclass(frozen=True, slots=True)
class Note:
    """A rejection note, ready to be encoded."""

    reference: ObjectRef
    document: Dataset


def reason_for(rejected: Dataset, successor: Dataset) -> Rejection:
    """Return why a report is rejected that another one has followed.

    Where the two are of different people the images came under a wrong order.
    """
    if contradictions((source.patient(rejected), source.patient(successor))):
        return Rejection.WRONG_PATIENT
    return Rejection.SUPERSEDED


def note(rejected: Sequence[Dataset], why: Rejection, station: Station, at: datetime) -> Note:
    """Write a note that rejects objects of one study, under the identity that they carry.

    Its UIDs are those objects' and the reason's: written twice it is the same. Raises ReportError
    where the objects cannot be referred to.
    """
    names = sorted(str(ds.SOPInstanceUID) for ds in rejected)
    reference = ObjectRef(
        sop_class_uid=KeyObjectSelectionDocumentStorage,
        sop_instance_uid=uids.derive("object", NAME, why.title.value, *names, VERSION),
        series_instance_uid=uids.derive("series", NAME, why.title.value, *names, VERSION),
    )
    try:
        return Note(reference, _document(rejected, why, station, at, reference))
    except (ValueError, TypeError, AttributeError, LookupError) as exc:
        raise ReportError(f"a rejection note cannot be built: {type(exc).__name__}") from exc


def _document(
    rejected: Sequence[Dataset],
    why: Rejection,
    station: Station,
    at: datetime,
    reference: ObjectRef,
) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old reports were checked when they were written
        document = KeyObjectSelectionDocument(
            evidence=[source.without_name(rejected[0]), *rejected[1:]],
            content=KeyObjectSelection(concept(why.title), referenced_objects=[*rejected]),
            series_instance_uid=reference.series_instance_uid,
            series_number=SERIES_NUMBER,
            sop_instance_uid=reference.sop_instance_uid,
            instance_number=1,
            manufacturer=codes.MANUFACTURER,
            specific_character_set=source.UTF8,
        )
    document.copy_patient_and_study_information(rejected[0])
    for item in document.ContentSequence:
        if item.ValueType in {"IMAGE", "COMPOSITE"} and "ConceptNameCodeSequence" in item:
            del item.ConceptNameCodeSequence  # TID 2010 gives them no name; highdicom does
    if "ContributingEquipmentSequence" in document:
        del document.ContributingEquipmentSequence  # highdicom's own item holds the time of writing
    local = source.local_time(at, rejected[0], station.zone)
    document.ManufacturerModelName = PRODUCT
    document.DeviceSerialNumber = station.serial
    document.SoftwareVersions = VERSION
    document.SeriesDescription = stamp.series_description(NAME)
    document.InstanceCreationDate = document.ContentDate = DA(local.date())
    document.InstanceCreationTime = document.ContentTime = TM(local.time())
    document.TimezoneOffsetFromUTC = f"{local:%z}"
    return document
