"""Studies as the archive lists them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from dicom_node.domain.patient import Patient

IMAGELESS: Final = frozenset({
    "ANN", "AR", "ASMT", "AU", "DOC", "ECG", "EEG", "EMG", "EOG", "EPS", "FID", "HD", "KER", "KO",
    "LEN", "OAM", "PLAN", "PM", "POS", "PR", "REG", "RESP", "RTDOSE", "RTINTENT", "RTPLAN",
    "RTRAD", "RTRECORD", "RTSEGANN", "RTSTRUCT", "RWV", "SEG", "SMR", "SR", "SRF", "TEXTUREMAP",
    "VA",
})  # fmt: skip
"""Modalities of documents, curves, plans, and marks on images that lie elsewhere (PS3.3 C.7.3.1.1).

Nobody waits for a reading of these.
"""

RESULT_MODALITIES: Final = IMAGELESS | {"OT", "SC"}
"""Documents and derived objects, the node's own among them: they never make a study readable, and
say nothing of whose the images are."""


class StudyKind(StrEnum):
    """What a model reads: a projection chest film or a chest CT series."""

    CXR = "CXR"
    CT = "CT"


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One stored instance; ``revision`` changes whenever the archive stores it anew.

    ``size`` is that of the stored file in bytes, 0 where unknown.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    orthanc_id: str = ""
    revision: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """One series as the archive lists it.

    ``positions_mm`` are Image Position (Patient) projected on the slice normal, one for each
    instance that has a position and an orientation, in no particular order.
    """

    series_instance_uid: str
    modality: str
    orthanc_id: str
    instances: tuple[InstanceRef, ...]
    description: str = ""
    series_number: int | None = None
    manufacturer: str = ""
    last_update: datetime | None = None
    positions_mm: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyRef:
    """One study as the archive lists it, with the attributes that the worklist shows.

    ``others`` are other identities whose images carry the same Study Instance UID; where one
    contradicts the study's own, which is the newest, PS3.3 C.7.2.1 forbids it. ``copies`` are
    older copies of ``series``' images under such an identity, and ``leftovers`` the node's own
    results about those: both are superseded if the pixels are the same.
    """

    study_instance_uid: str
    orthanc_id: str
    patient_id: str
    patient_name: str
    accession_number: str
    study_description: str
    series: tuple[SeriesRef, ...] = ()
    birth_date: str = ""
    sex: str = ""
    issuer: str = ""
    others: tuple[Patient, ...] = ()
    copies: tuple[InstanceRef, ...] = ()
    leftovers: tuple[InstanceRef, ...] = ()

    @property
    def patient(self) -> Patient:
        """The identity that the study goes by."""
        return Patient(self.patient_id, self.patient_name, self.birth_date, self.sex, self.issuer)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an instance came from, each '' where unknown.

    ``sender`` is the calling AE title, ``requested_priority`` the order's (0040,1003).
    """

    sender: str = ""
    requested_priority: str = ""


class Level(StrEnum):
    """What a search looks for, in Orthanc's words."""

    STUDY = "Study"
    SERIES = "Series"
    INSTANCE = "Instance"


@dataclass(frozen=True, slots=True)
class MatchingKey:
    """One key of a search: a tag as eight hex digits; wildcards and lists as in PS3.4 C.2.2."""

    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer to a search: attributes in the DICOM JSON model (PS3.18 F.2); ``uid`` is that of
    the study, series or instance which was looked for."""

    uid: str
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the archive's change log; ``kind`` is Orthanc's word, e.g. StableSeries."""

    sequence: int
    kind: str
    orthanc_id: str


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the change log; ``last`` is the sequence to go on from."""

    changes: tuple[Change, ...]
    last: int
    done: bool
