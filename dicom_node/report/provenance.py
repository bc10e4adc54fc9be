"""Who made a result: the node as equipment, the model as device and algorithm."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from importlib import metadata
from typing import Final

from highdicom import ContributingEquipment
from highdicom.sr import (
    AlgorithmIdentification,
    DeviceObserverIdentifyingAttributes,
    ObservationContext,
    ObserverContext,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dcm

from dicom_node import codes
from dicom_node.codes import MANUFACTURER
from dicom_node.domain import Finding, Measurement, TriageResult
from dicom_node.report.items import concept

VERSION: Final = metadata.version("dicom-node")
PRODUCT: Final = "dicom-node"
RESEARCH: Final = (
    "RESEARCH USE ONLY - not for diagnosis. Made by software alone; no physician has reviewed it."
)


@dataclass(frozen=True, slots=True)
class Station:
    """The installation that writes: ``serial`` is its name in the PACS, the AE title.

    ``zone`` is the zone of its clocks on the wall, None that of the machine.
    """

    serial: str
    zone: tzinfo | None = UTC


def algorithm(result: TriageResult, finding: Finding) -> AlgorithmIdentification:
    """Return TID 4019 for one finding: model, version and all that made the call."""
    return _algorithm(
        result,
        {
            "weights_sha256": result.model.weights_sha256,
            "threshold": f"{finding.threshold:g}",
            "policy_sha256": result.policy_hash,
            **dict(sorted(result.parameters.items())),
        },
    )


def method(result: TriageResult, measurement: Measurement) -> AlgorithmIdentification:
    """Return TID 4019 for one measurement: model, version and what was counted."""
    return _algorithm(result, {"definition": measurement.definition})


def _algorithm(result: TriageResult, parameters: Mapping[str, str]) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=result.model.name,
        version=result.model.version,
        parameters=[f"{name}={value}" for name, value in parameters.items()],
        family=concept(codes.ARTIFICIAL_INTELLIGENCE),
    )


def observer(result: TriageResult, station: Station, device_uid: str) -> ObservationContext:
    """Return TID 1001 with the model as the observing device (TID 1004)."""
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=dcm.DCM.Device,
            observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
                uid=device_uid,
                name=PRODUCT,
                manufacturer_name=MANUFACTURER,
                model_name=result.model.name,
                serial_number=station.serial,
            ),
        )
    )


def acquisition(header: Dataset) -> list[ContributingEquipment]:
    """Return the scanner as Contributing Equipment; none where the source does not name it."""
    if not header.get("Manufacturer"):
        return []
    return [ContributingEquipment.for_image_acquisition(header)]


def contributing(
    result: TriageResult, station: Station, device_uid: str, at: datetime
) -> ContributingEquipment:
    """Return the model as Contributing Equipment (PS3.3 C.12.1.1.5; IHE AIR 6.5.3.1)."""
    item = ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=dcm.DCM.ProcessingEquipment,
        manufacturer_model_name=result.model.name,
        software_versions=result.model.version,
        device_serial_number=station.serial,
        contribution_datetime=f"{at.astimezone(UTC):%Y%m%d%H%M%S.%f}+0000",
        contribution_description=f"AI reading; weights SHA-256 {result.model.weights_sha256}",
    )
    item.DeviceUID = device_uid  # highdicom has no argument for it
    return item
