"""Studies as the archive lists them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class StudyKind(StrEnum):
    """What a model reads: a projection chest film or a chest CT series."""

    CXR = "CXR"
    CT = "CT"


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One stored instance; ``revision`` changes whenever the archive stores it anew."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    orthanc_id: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """One series as the archive lists it."""

    series_instance_uid: str
    modality: str
    orthanc_id: str
    instances: tuple[InstanceRef, ...]
    description: str = ""
    series_number: int | None = None
    manufacturer: str = ""
    last_update: datetime | None = None


@dataclass(frozen=True, slots=True)
class StudyRef:
    """One study as the archive lists it, with the attributes that the worklist shows."""

    study_instance_uid: str
    orthanc_id: str
    patient_id: str
    patient_name: str
    accession_number: str
    study_description: str
    series: tuple[SeriesRef, ...] = ()
