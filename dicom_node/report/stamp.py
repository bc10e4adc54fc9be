"""What all result objects say of themselves: whose, when, by what, and for research only."""

from datetime import datetime

from pydicom.dataset import Dataset

from dicom_node.domain import TriageResult
from dicom_node.report import naming, provenance
from dicom_node.report.provenance import MANUFACTURER, PRODUCT, VERSION, Station


def series_description(kind: str = "") -> str:
    """Return Series Description (0008,103E) of our objects, at most 64 characters."""
    return f"AI {PRODUCT} {VERSION}{f' {kind}' if kind else ''} (RESEARCH)"[:64]


def stamp(
    target: Dataset, result: TriageResult, station: Station, header: Dataset, at: datetime
) -> None:
    """Set equipment, times and qualification of ``target``.

    Equipment is this node, never the scanner (PS3.3 C.7.5.1); the model joins the Contributing
    Equipment. ``at`` is when the result was completed, in the zone of ``header``: no attribute
    tells when the object was encoded, so that encoding it twice gives the same bytes.
    """
    target.Manufacturer = MANUFACTURER
    target.ManufacturerModelName = PRODUCT
    target.DeviceSerialNumber = station.serial
    target.SoftwareVersions = VERSION
    target.ContentQualification = "RESEARCH"
    target.InstanceCreationDate = target.ContentDate = f"{at:%Y%m%d}"
    target.InstanceCreationTime = target.ContentTime = f"{at:%H%M%S.%f}"
    if header.get("TimezoneOffsetFromUTC"):
        target.TimezoneOffsetFromUTC = header.TimezoneOffsetFromUTC
    device = naming.device_uid(result.model)
    target.ContributingEquipmentSequence = [
        *target.get("ContributingEquipmentSequence", []),
        provenance.contributing(result, station, device, at),
    ]
