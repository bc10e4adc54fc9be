"""Which studies a model may read: pure rules on what the archive lists."""

from dataclasses import dataclass

from dicom_node.domain import (
    RESULT_MODALITIES,
    Omission,
    Reason,
    RefusalCode,
    SeriesRef,
    StudyKind,
    StudyRef,
    contradictions,
)
from dicom_node.errors import StudyRefused
from dicom_node.policy import Policy

_BESIDE = "A film beside a CT: of a study that holds both, this node reads the CT."


@dataclass(frozen=True, slots=True)
class Eligible:
    """What to read of a study: its kind and its series; ``others`` are readable, but of another."""

    kind: StudyKind
    series: tuple[SeriesRef, ...]
    others: tuple[SeriesRef, ...] = ()

    def besides(self) -> dict[str, Reason]:
        """Return why each image of the other kind is not read, by SOP Instance UID."""
        reason = Reason(Omission.OTHER_KIND, _BESIDE)
        return {ref.sop_instance_uid: reason for s in self.others for ref in s.instances}


def eligible(study: StudyRef, policy: Policy) -> Eligible:
    """Choose the series to read; CT wins over films in a study that holds both.

    Raises StudyRefused: two patients under one Study Instance UID, or nothing to read.
    """
    readable = tuple(s for s in study.series if _is_readable(s, policy))
    if differing := contradictions((study.patient, *study.others)):
        raise _of_several_patients(readable, differing)
    ct = tuple(s for s in readable if s.modality == "CT")
    if ct:
        return Eligible(StudyKind.CT, ct, tuple(s for s in readable if s.modality != "CT"))
    if readable:
        return Eligible(StudyKind.CXR, readable)
    raise _nothing_to_read(study, policy)


def modality(study: StudyRef) -> str:
    """Return the modality that the worklist shows: of the images, not of their reports."""
    images = [s.modality for s in study.series if s.modality not in RESULT_MODALITIES]
    return "CT" if "CT" in images else next(iter(images or [s.modality for s in study.series]), "")


def _is_readable(series: SeriesRef, policy: Policy) -> bool:
    return series.modality in policy.eligibility.modalities and bool(series.instances)


def _of_several_patients(
    readable: tuple[SeriesRef, ...], differing: tuple[str, ...]
) -> StudyRefused:
    code, reason = (
        RefusalCode.PATIENT_MISMATCH.value,
        "Images of more than one patient carry this Study Instance UID (they differ in "
        f"{', '.join(differing)}); correct the patient identity in the PACS and send every "
        "image again.",
    )
    images = {ref.sop_instance_uid: (code, reason) for s in readable for ref in s.instances}
    return StudyRefused(code, reason, images)


def _nothing_to_read(study: StudyRef, policy: Policy) -> StudyRefused:
    others = {s.modality for s in study.series} - RESULT_MODALITIES - {""}
    wanted = ", ".join(sorted(policy.eligibility.modalities))
    if others:
        return StudyRefused(
            RefusalCode.MODALITY_NOT_SUPPORTED,
            f"No model reads modality {', '.join(sorted(others))}; this node reads {wanted}.",
        )
    return StudyRefused(
        RefusalCode.NO_ELIGIBLE_SERIES, f"The study holds no images of modality {wanted}."
    )
