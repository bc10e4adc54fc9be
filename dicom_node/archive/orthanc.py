"""Orthanc as the archive, over its REST API (pyorthanc)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache, partial
from itertools import chain
from typing import Any, Self
from urllib.parse import quote

import numpy as np
from pyorthanc import Orthanc

from dicom_node.archive import client, copies, modalities
from dicom_node.archive.attributes import Attributes, attributes
from dicom_node.domain import (
    Change,
    Changes,
    InstanceRef,
    ObjectRef,
    Origin,
    SeriesRef,
    StudyRef,
)
from dicom_node.errors import ArchiveFault, StoreRejected, StudyNotFound
from dicom_node.settings import Settings

_REMEMBERED = 1 << 16
"""Checksums kept, each of some hundred bytes."""

_FARTHEST_MM = 1e6
"""No slice lies a kilometre away; numbers without a bound overflow in whoever subtracts them."""


class OrthancArchive:
    """The archive port on a running Orthanc; safe to share between threads."""

    def __init__(self, connection: Orthanc) -> None:
        self._client = connection
        self._md5 = lru_cache(_REMEMBERED)(self._ask_md5)
        self._modality = lru_cache(_REMEMBERED)(self._ask_modality)
        self._read = lru_cache(_REMEMBERED)(self._ask_attributes)

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Prepare a client for the configured Orthanc; the first call opens the connection."""
        return cls(client.connect(settings))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def version(self) -> str:
        """Return Orthanc's version; raises ArchiveUnavailable."""
        return str(client.ask(self._client.get_system).json()["Version"])

    def study_count(self) -> int:
        """Return how many studies Orthanc holds; raises ArchiveUnavailable."""
        return int(client.ask(self._client.get_statistics).json()["CountStudies"])

    def study_ids(self) -> frozenset[str]:
        """Return Orthanc's ids of all studies; raises ArchiveUnavailable."""
        return frozenset(client.ask(self._client.get_studies).json())

    def has_study(self, study_instance_uid: str) -> bool:
        """Tell whether Orthanc holds anything of a study; raises ArchiveUnavailable."""
        return bool(self._lookup(study_instance_uid, "Study"))

    def look_up(self, path: str, body: bytes) -> bytes:
        """Ask Orthanc by GET, with a body by POST; empty where it knows no such thing.

        Raises ArchiveUnavailable.
        """
        url = f"{self._client.url}{quote(path)}"
        try:
            if body:
                return client.ask(lambda: self._client.post(url, content=body)).content
            return client.ask(lambda: self._client.get(url)).content
        except StudyNotFound:
            return b""

    def study(self, study_instance_uid: str) -> StudyRef:
        """Return the study with its series and instances, under the newest identity.

        Raises StudyNotFound, ArchiveUnavailable.
        """
        # Orthanc keeps one study for each patient id that carries the UID.
        ids = self._lookup(study_instance_uid, "Study")
        if not ids:
            raise StudyNotFound(f"study {study_instance_uid} is not in the archive; send it again")
        studies = [self._study(orthanc_id) for orthanc_id in ids]
        return studies[0] if len(studies) == 1 else copies.merged(studies, self._received(ids))

    def study_uid(self, orthanc_study_id: str) -> str:
        """Return the Study Instance UID behind an Orthanc id; raises StudyNotFound."""
        return str(self._entry("studies", orthanc_study_id)["MainDicomTags"]["StudyInstanceUID"])

    def study_uid_of_series(self, orthanc_series_id: str) -> str:
        """Return the Study Instance UID of a series; raises StudyNotFound."""
        return self.study_uid(str(self._entry("series", orthanc_series_id)["ParentStudy"]))

    def studies_of_instances(self, orthanc_instance_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the UIDs of the studies that hold these instances; deleted ones are left out."""
        if not orthanc_instance_ids:
            return ()
        wish = {"Resources": [*orthanc_instance_ids], "Level": "Study"}
        found = client.ask(lambda: self._client.post_tools_bulk_content(json=wish)).json()
        return tuple(str(study["MainDicomTags"]["StudyInstanceUID"]) for study in found)

    def instance(self, ref: InstanceRef) -> bytes:
        """Return the instance's DICOM file; raises StudyNotFound, ArchiveUnavailable."""
        return client.ask(lambda: self._client.get_instances_id_file(ref.orthanc_id)).content

    def checksum(self, ref: InstanceRef) -> str:
        """Return Orthanc's MD5 of the instance's file, '' where it keeps none.

        Orthanc computes it when it stores; each stored file is asked about until it has answered.
        """
        try:
            return self._md5(ref.orthanc_id, ref.revision)
        except StudyNotFound:  # and not remembered: another process may ask a moment later
            return ""

    def origin(self, ref: InstanceRef) -> Origin:
        """Return who sent the instance and what its order says, as far as Orthanc knows.

        The order is read from the stored file: one that is damaged or lost tells nothing.
        """
        entry = ref.orthanc_id
        ask = self._client
        sender = self._text(lambda: ask.get_instances_id_metadata_name(entry, "RemoteAET"))
        of_order = self._text(lambda: ask.get_instances_id_content_path(entry, "0040-1003"))
        return Origin(sender, of_order)

    def arrived_at(self, ref: InstanceRef) -> datetime | None:
        """Return when Orthanc took the instance in, to the second."""
        ask = self._client.get_instances_id_metadata_name
        told = self._text(lambda: ask(ref.orthanc_id, "ReceptionDate"))
        try:
            return copies.time(told)
        except ValueError:
            return None

    def store(self, dicom_file: bytes) -> None:
        """Store one file; raises StoreRejected, ArchiveUnavailable."""
        try:
            answer = client.ask(lambda: self._client.post_instances(dicom_file)).json()
        except StudyNotFound as exc:  # Orthanc's word for a file that it will not take
            raise StoreRejected("Orthanc refused a result object; see its log") from exc
        if answer["Status"] not in {"Success", "AlreadyStored"}:
            raise StoreRejected(f"Orthanc answered {answer['Status']} to a result object")

    def holds(self, ref: ObjectRef) -> bool:
        """Tell whether Orthanc has the object on disk and in its index."""
        return bool(self._lookup(ref.sop_instance_uid, "Instance"))

    def result(self, sop_instance_uid: str) -> bytes:
        """Return a result's DICOM file; raises StudyNotFound, ArchiveUnavailable."""
        found = self._lookup(sop_instance_uid, "Instance")
        if not found:
            raise StudyNotFound(f"object {sop_instance_uid} is no longer in the archive")
        return client.ask(lambda: self._client.get_instances_id_file(found[0])).content

    def discard(self, refs: Sequence[InstanceRef]) -> None:
        """Delete instances; what is gone already is gone. Raises ArchiveUnavailable."""
        for ref in refs:
            with suppress(StudyNotFound):
                client.ask(partial(self._client.delete_instances_id, ref.orthanc_id))

    def changes(self, since: int, limit: int = 500) -> Changes:
        """Return a page of the change log after sequence ``since``."""
        query = {"since": since, "limit": limit}
        page = client.ask(lambda: self._client.get_changes(query)).json()
        changes = tuple(Change(c["Seq"], c["ChangeType"], c["ID"]) for c in page["Changes"])
        return Changes(changes, int(page["Last"]), bool(page["Done"]))

    def last_before(self, moment: datetime) -> int:
        """Return the sequence of the last change before ``moment``; 0 where there is no study.

        The log may be long and have holes, so the place is looked for by halving.
        """
        if not client.ask(self._client.get_statistics).json()["CountStudies"]:
            return 0
        low = 0
        high = int(client.ask(lambda: self._client.get_changes({"last": ""})).json()["Last"])
        while low < high:
            middle = (low + high) // 2
            found = self._first_after(middle)
            if found and found[0] <= high and found[1] < moment:
                low = found[0]
            else:
                high = middle
        return low

    def _first_after(self, sequence: int) -> tuple[int, datetime] | None:
        """Return the sequence and the time of the next change, if there is one."""
        query = {"since": sequence, "limit": 1}
        page = client.ask(lambda: self._client.get_changes(query)).json()["Changes"]
        return (int(page[0]["Seq"]), copies.time(page[0]["Date"])) if page else None

    def _ask_md5(self, orthanc_id: str, _revision: str) -> str:
        ask = self._client.get_instances_id_attachments_name_md5
        return _stripped(client.ask(lambda: ask(orthanc_id, "dicom")).text)

    def _text(self, call: Callable[[], Any]) -> str:
        """Return a text that Orthanc may have, '' where it has none."""
        try:
            return _stripped(client.ask(call).text)
        except (StudyNotFound, ArchiveFault):
            return ""

    def _lookup(self, uid: str, level: str) -> list[str]:
        found = client.ask(lambda: self._client.post_tools_lookup(uid)).json()
        return [hit["ID"] for hit in found if hit["Type"] == level]

    def _entry(self, level: str, orthanc_id: str) -> Mapping[str, Any]:
        get = {
            "studies": self._client.get_studies_id,
            "series": self._client.get_series_id,
        }[level]
        entry: Mapping[str, Any] = client.ask(lambda: get(orthanc_id)).json()
        return entry

    def _study(self, orthanc_id: str) -> StudyRef:
        entry = self._entry("studies", orthanc_id)
        tags = entry["MainDicomTags"]
        entries = client.ask(lambda: self._client.get_studies_id_series(orthanc_id)).json()
        listed = [self._listed([one["ID"]]) for one in entries]
        series = tuple(
            part
            for one, instances in zip(entries, listed, strict=True)
            for part in self._parts(one, instances)
        )
        received = copies.received(chain.from_iterable(listed))
        newest = (self._newest_attributes(s, received) for s in copies.newest_first(series))
        known = [one for one in newest if one is not None]
        told, *others = known or [Attributes.told_by(tags, entry["PatientMainDicomTags"])]
        return StudyRef(
            study_instance_uid=tags["StudyInstanceUID"],
            orthanc_id=orthanc_id,
            patient_id=told.patient.patient_id,
            patient_name=told.patient.name,
            accession_number=told.accession_number,
            study_description=told.study_description,
            series=series,
            birth_date=told.patient.birth_date,
            sex=told.patient.sex,
            issuer=told.patient.issuer,
            others=tuple(dict.fromkeys(o.patient for o in others if o.patient != told.patient)),
        )

    def _newest_attributes(
        self, series: SeriesRef, received: Mapping[str, datetime]
    ) -> Attributes | None:
        """Return what the newest image of a series says; None where it cannot be read.

        Orthanc's index keeps the attributes of a study's first image, and loses characters that
        no character set was declared for.
        """
        last = max(series.instances, key=lambda i: received.get(i.orthanc_id, copies.LONG_AGO))
        try:
            return self._read(last.orthanc_id, last.revision)
        except (StudyNotFound, ArchiveFault):  # the run will tell that the file is lost
            return None

    def _ask_attributes(self, orthanc_id: str, _revision: str) -> Attributes:
        ask = self._client.get_instances_id_content_path

        def stored(tag: str) -> bytes:
            try:
                return client.ask(lambda: ask(orthanc_id, tag)).content
            except StudyNotFound:  # Orthanc's word for an attribute that the file lacks
                return b""

        return attributes(stored)

    def _received(self, orthanc_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Return when each instance below these resources came, in whole seconds."""
        try:
            return copies.received(self._listed(orthanc_ids))
        except StudyNotFound:
            return {}

    def _listed(self, orthanc_ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """Return the instances below these resources, with what Orthanc wrote down of each."""
        wish = {"Resources": [*orthanc_ids], "Level": "Instance", "Metadata": True}
        found: list[Mapping[str, Any]] = client.ask(
            lambda: self._client.post_tools_bulk_content(json=wish)
        ).json()
        return found

    def _parts(
        self, entry: Mapping[str, Any], listed: Sequence[Mapping[str, Any]]
    ) -> list[SeriesRef]:
        """Return a series, in as many parts as it holds modalities."""
        tags = entry["MainDicomTags"]
        parts = modalities.grouped(tags.get("Modality", ""), listed, self._own_modality)
        return [_part(entry, modality, members) for modality, members in parts.items()]

    def _own_modality(self, instance: Mapping[str, Any]) -> str:
        return self._modality(instance["ID"], instance["FileUuid"])

    def _ask_modality(self, orthanc_id: str, _revision: str) -> str:
        return self._text(
            lambda: self._client.get_instances_id_content_path(orthanc_id, "0008-0060")
        )


def _part(
    entry: Mapping[str, Any], modality: str, listed: Sequence[Mapping[str, Any]]
) -> SeriesRef:
    """Return the instances of a series that are of one modality."""
    tags = entry["MainDicomTags"]
    return SeriesRef(
        series_instance_uid=tags["SeriesInstanceUID"],
        modality=modality,
        orthanc_id=entry["ID"],
        instances=tuple(_instance(i, tags["SeriesInstanceUID"]) for i in listed),
        description=tags.get("SeriesDescription", ""),
        series_number=_whole(tags.get("SeriesNumber", "")),
        manufacturer=tags.get("Manufacturer", ""),
        last_update=copies.time(entry["LastUpdate"]),
        positions_mm=_positions([i["MainDicomTags"] for i in listed]),
    )


def _instance(entry: Mapping[str, Any], series_instance_uid: str) -> InstanceRef:
    return InstanceRef(
        sop_instance_uid=entry["MainDicomTags"]["SOPInstanceUID"],
        sop_class_uid="",
        series_instance_uid=series_instance_uid,
        orthanc_id=entry["ID"],
        revision=entry["FileUuid"],
        size=int(entry["FileSize"]),
    )


def _stripped(text: str) -> str:
    return text.strip("\0 \r\n")


def _whole(text: str) -> int | None:
    """Parse an integer string (PS3.5 6.2, IS), which a sender may have filled with anything."""
    try:
        return int(text)
    except ValueError:
        return None


def _positions(instances: Sequence[Mapping[str, str]]) -> tuple[float, ...]:
    """Project each Image Position (Patient) on the normal of its own orientation.

    A scout among slices lies along another axis, and says nothing of where they lie: only those
    of the commonest one count.
    """
    found: list[tuple[int, float]] = []
    for tags in instances:
        position = _numbers(tags.get("ImagePositionPatient", ""), 3)
        orientation = _numbers(tags.get("ImageOrientationPatient", ""), 6)
        if position is not None and orientation is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                normal = np.cross(orientation[:3], orientation[3:])
                found.append((int(np.argmax(np.abs(normal))), float(normal @ position)))
    near = [(axis, place) for axis, place in found if abs(place) < _FARTHEST_MM]  # False for NaN
    axes = Counter(axis for axis, _ in near).most_common(1)
    return tuple(place for axis, place in near if axis == axes[0][0])


def _numbers(text: str, count: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    try:
        values = np.array([float(part) for part in text.split("\\")])
    except ValueError:
        return None
    return values if values.size == count and bool(np.isfinite(values).all()) else None
