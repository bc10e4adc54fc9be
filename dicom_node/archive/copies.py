"""One study out of what Orthanc keeps apart by patient ID: the newest identity leads.

An image that was sent again under a corrected Patient ID lies in Orthanc twice, under one SOP
Instance UID. The older one is a copy; whether it shows the same, who has the pixels must tell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from dicom_node.codes import MANUFACTURER
from dicom_node.domain import RESULT_MODALITIES, InstanceRef, SeriesRef, StudyRef, filled

LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def time(text: str) -> datetime:
    """Parse a time of Orthanc's, which is in UTC and whole seconds."""
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def received(entries: Iterable[Mapping[str, Any]]) -> Mapping[str, datetime]:
    """Return when each of these instances came, as far as Orthanc has kept it."""
    return {
        one["ID"]: time(one["Metadata"]["ReceptionDate"])
        for one in entries
        if "ReceptionDate" in one.get("Metadata", {})
    }


def merged(studies: Sequence[StudyRef], received: Mapping[str, datetime]) -> StudyRef:
    """Join the studies of one UID, given in the order in which Orthanc first met them.

    ``received`` tells when each instance came. A study whose images have all come again, under
    the newest identity, gives its `StudyRef.copies`; any other keeps its images and its identity.
    What is empty in the newest identity is filled from those that stay.
    """
    *older, newest = sorted(studies, key=lambda study: _last_image(study, received))
    present = {ref.sop_instance_uid for ref in _images([newest])}
    stays: list[StudyRef] = [newest]
    gone: list[StudyRef] = []
    for study in older:
        images = _images([study])
        (gone if all(ref.sop_instance_uid in present for ref in images) else stays).append(study)
    return replace(
        _filled(newest, stays[1:]),
        series=tuple(series for study in stays for series in study.series),
        others=tuple(
            patient
            for study in stays
            for patient in (study.patient, *study.others)
            if patient != newest.patient
        ),
        copies=tuple(_images(gone)),
        leftovers=tuple(ref for s in _series(gone) if _is_own(s) for ref in s.instances),
    )


def newest_first(series: Iterable[SeriesRef]) -> list[SeriesRef]:
    """Return the series that hold images, the one that got its last image latest first."""
    images = [s for s in series if s.modality not in RESULT_MODALITIES and s.instances]
    return sorted(images, key=lambda s: s.last_update or LONG_AGO, reverse=True)


def _last_image(study: StudyRef, received: Mapping[str, datetime]) -> datetime:
    times = (received.get(ref.orthanc_id, LONG_AGO) for ref in _images([study]))
    return max(times, default=LONG_AGO)


def _series(studies: Iterable[StudyRef]) -> list[SeriesRef]:
    return [series for study in studies for series in study.series]


def _images(studies: Iterable[StudyRef]) -> list[InstanceRef]:
    return [
        ref
        for series in _series(studies)
        if series.modality not in RESULT_MODALITIES
        for ref in series.instances
    ]


def _is_own(series: SeriesRef) -> bool:
    return series.manufacturer == MANUFACTURER and series.modality in RESULT_MODALITIES


def _filled(newest: StudyRef, others: Sequence[StudyRef]) -> StudyRef:
    """Fill what is empty, as in an image that came without an ID beside one that has it."""
    known = filled(study.patient for study in (newest, *others))
    return replace(
        newest,
        patient_id=known.patient_id,
        patient_name=known.name,
        birth_date=known.birth_date,
        sex=known.sex,
        issuer=known.issuer,
    )
