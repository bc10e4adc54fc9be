"""Studies as an archive lists them, and an archive that lists them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from dicom_node import uids
from dicom_node.domain import (
    Change,
    Changes,
    InstanceRef,
    ObjectRef,
    Origin,
    Patient,
    SeriesRef,
    StudyRef,
    Urgency,
)
from dicom_node.errors import QueueUnavailable, StudyNotFound

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def series(
    name: str,
    modality: str,
    *,
    slices: int = 1,
    positions_mm: Sequence[float] = (),
    quiet_s: float = 86_400,
) -> SeriesRef:
    """Return a series of ``slices`` instances whose last one came ``quiet_s`` ago."""
    uid = uids.derive("test", "series", name)
    return SeriesRef(
        series_instance_uid=uid,
        modality=modality,
        orthanc_id=f"orthanc-series-{name}",
        instances=tuple(
            InstanceRef(
                uids.derive(uid, str(i)), "", uid, f"orthanc-{name}-{i}", f"file-{name}-{i}"
            )
            for i in range(slices)
        ),
        last_update=datetime.now(UTC) - timedelta(seconds=quiet_s),
        positions_mm=tuple(positions_mm),
    )


def study(
    listed: Sequence[SeriesRef], *, name: str = "study", others: tuple[Patient, ...] = ()
) -> StudyRef:
    """Return a study of these series."""
    return StudyRef(
        study_instance_uid=uids.derive("test", "study", name),
        orthanc_id=f"orthanc-study-{name}",
        patient_id="P1",
        patient_name="Test^Patient",
        accession_number="A1",
        study_description="Chest",
        series=tuple(listed),
        others=others,
    )


@dataclass
class ListedArchive:
    """An archive that lists studies and keeps a change log; it holds no pixels."""

    studies: dict[str, StudyRef] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    came_from: Origin = field(default_factory=Origin)
    arrived: datetime | None = None
    held_before: int = 0

    def put(self, listed: StudyRef, *kinds: str) -> None:
        """List a study, and write the changes down."""
        self.studies[listed.study_instance_uid] = listed
        for kind in kinds:
            self.log.append(Change(len(self.log) + 1, kind, listed.orthanc_id))

    def delete(self, listed: StudyRef) -> None:
        """Forget a study."""
        del self.studies[listed.study_instance_uid]

    def study(self, study_instance_uid: str) -> StudyRef:
        """Return a listed study."""
        try:
            return replace(self.studies[study_instance_uid])
        except KeyError:
            raise StudyNotFound(f"study {study_instance_uid} is not in the archive") from None

    def study_count(self) -> int:
        """Return how many studies are listed."""
        return len(self.studies)

    def study_ids(self) -> frozenset[str]:
        """Return the archive's ids of all studies."""
        return frozenset(one.orthanc_id for one in self.studies.values())

    def has_study(self, study_instance_uid: str) -> bool:
        """Tell whether anything of a study is listed."""
        return study_instance_uid in {one.study_instance_uid for one in self.studies.values()}

    def last_before(self, moment: datetime) -> int:
        """Return how much of the log was there before the ledger was made."""
        del moment
        return self.held_before

    def study_uid(self, orthanc_study_id: str) -> str:
        """Find a study by its archive id."""
        for listed in self.studies.values():
            if listed.orthanc_id == orthanc_study_id:
                return listed.study_instance_uid
        raise StudyNotFound(f"{orthanc_study_id} is not in the archive")

    def study_uid_of_series(self, orthanc_series_id: str) -> str:
        """Find a study by the archive id of one of its series."""
        for listed in self.studies.values():
            if any(s.orthanc_id == orthanc_series_id for s in listed.series):
                return listed.study_instance_uid
        raise StudyNotFound(f"{orthanc_series_id} is not in the archive")

    def studies_of_instances(self, orthanc_instance_ids: Sequence[str]) -> tuple[str, ...]:
        """Find the studies that hold any of these instances."""
        wanted = set(orthanc_instance_ids)
        return tuple(
            listed.study_instance_uid
            for listed in self.studies.values()
            if any(wanted & {i.orthanc_id for i in s.instances} for s in listed.series)
        )

    def changes(self, since: int, limit: int = 500) -> Changes:
        """Return a page of the change log, as Orthanc 1.10.1 pages it."""
        page = tuple(c for c in self.log if c.sequence > since)[:limit]
        last = page[-1].sequence if page else len(self.log)
        return Changes(page, last, last == len(self.log))

    def instance(self, ref: InstanceRef) -> bytes:
        """Hold no pixels."""
        raise StudyNotFound(f"instance {ref.sop_instance_uid} is not in the archive")

    def checksum(self, ref: InstanceRef) -> str:
        """Take the UID for the content: the same instance holds the same."""
        return ref.sop_instance_uid

    def arrived_at(self, ref: InstanceRef) -> datetime | None:
        """Return what the test set."""
        del ref
        return self.arrived

    def result(self, sop_instance_uid: str) -> bytes:
        """Hold no results."""
        raise StudyNotFound(f"object {sop_instance_uid} is not in the archive")

    def origin(self, ref: InstanceRef) -> Origin:
        """Return what the test set."""
        del ref
        return self.came_from

    def store(self, dicom_file: bytes) -> None:
        """Take nothing."""
        raise NotADirectoryError(len(dicom_file))

    def discard(self, refs: Sequence[InstanceRef]) -> None:
        """Hold nothing to delete."""
        assert not refs

    def holds(self, ref: ObjectRef) -> bool:
        """Hold nothing."""
        del ref
        return False


@dataclass
class ListedQueue:
    """A queue that remembers what it was given, and can be down."""

    down: bool = False
    given: list[tuple[str, Urgency]] = field(default_factory=list)

    def enqueue(self, run_id: str, urgency: Urgency) -> None:
        """Take a run, or be down."""
        if self.down:
            raise QueueUnavailable("the queue is down")
        self.given.append((run_id, urgency))

    def held(self) -> int:
        """Count what nobody has taken."""
        if self.down:
            raise QueueUnavailable("the queue is down")
        return len(self.given)
