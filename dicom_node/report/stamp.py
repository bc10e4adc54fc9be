"""What all result objects say of themselves: whose, when, by what, and for research only."""

from datetime import datetime

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from dicom_node.codes import MANUFACTURER
from dicom_node.domain import TriageResult
from dicom_node.report import naming, provenance
from dicom_node.report.provenance import PRODUCT, VERSION, Station


def series_description(kind: str = "") -> str:
    """Return Series Description (0008,103E) of our objects, at most 64 characters."""
    return f"AI {PRODUCT} {VERSION}{f' {kind}' if kind else ''} (RESEARCH)"[:64]


def stamp(
    target: hd.SOPClass, result: TriageResult, station: Station, header: Dataset, at: datetime
) -> None:
    """Set patient, study, equipment, times and qualification of ``target``.

    Patient and study are copied from ``header`` as they stand. Equipment is this node, never the
    scanner (PS3.3 C.7.5.1); the model joins the Contributing Equipment. ``at`` is when the
    result was completed, in the zone that the object states (PS3.3 C.12.1.1.8): no attribute tells
    when the object was encoded, so that encoding it twice gives the same bytes.
    """
    target.copy_patient_and_study_information(header)
    target.Manufacturer = MANUFACTURER
    target.ManufacturerModelName = PRODUCT
    target.DeviceSerialNumber = station.serial
    target.SoftwareVersions = VERSION
    target.ContentQualification = "RESEARCH"
    target.InstanceCreationDate = target.ContentDate = DA(at.date())
    target.InstanceCreationTime = target.ContentTime = TM(at.time())
    target.TimezoneOffsetFromUTC = f"{at:%z}"
    device = naming.device_uid(result.model)
    # replaces highdicom's own items, one of which holds the time of writing
    target.ContributingEquipmentSequence = [
        *provenance.acquisition(header),
        provenance.contributing(result, station, device, at),
    ]
