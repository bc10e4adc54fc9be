"""Attributes of patient and study as an image carries them, with all their characters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from dicom_node import charsets
from dicom_node.domain import Patient

_CHARSET = "0008-0005"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the worklist shows of a study, and whose it is; '' where an image does not say."""

    patient: Patient
    accession_number: str
    study_description: str

    @classmethod
    def told_by(cls, study: Mapping[str, str], patient: Mapping[str, str]) -> Self:
        """Return what Orthanc's index holds of a study."""
        return cls(
            patient=Patient(
                patient_id=patient.get("PatientID", ""),
                name=patient.get("PatientName", ""),
                birth_date=patient.get("PatientBirthDate", ""),
                sex=patient.get("PatientSex", ""),
            ),
            accession_number=study.get("AccessionNumber", ""),
            study_description=study.get("StudyDescription", ""),
        )


def attributes(stored: Callable[[str], bytes]) -> Attributes:
    """Decode what an image holds; ``stored`` returns a tag's bytes, b'' where it has none."""
    declared = stored(_CHARSET).decode("ascii", "replace").strip("\0 ").split("\\")

    def text(tag: str) -> str:
        return charsets.decoded(stored(tag), declared)

    return Attributes(
        patient=Patient(
            patient_id=text("0010-0020"),
            name=text("0010-0010"),
            birth_date=text("0010-0030"),
            sex=text("0010-0040"),
            issuer=text("0010-0021"),
        ),
        accession_number=text("0008-0050"),
        study_description=text("0008-1030"),
    )
