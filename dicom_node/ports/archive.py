"""Where images come from and results go to."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dicom_node.domain import (
    Changes,
    Entry,
    InstanceRef,
    Level,
    MatchingKey,
    ObjectRef,
    Origin,
    StudyRef,
)


class Archive(Protocol):
    """The PACS that holds the studies: Orthanc in production, a folder for ``analyze``."""

    def study(self, study_instance_uid: str) -> StudyRef:
        """Return the study with its series; raise StudyNotFound or PatientMismatch refusal."""
        ...

    def instance(self, ref: InstanceRef) -> bytes:
        """Return the instance's DICOM file; raise StudyNotFound where it is gone."""
        ...

    def checksum(self, ref: InstanceRef) -> str:
        """Return a digest of the instance's file as the archive knows it, '' where it does not;
        raise StudyNotFound where it is gone."""
        ...

    def result(self, sop_instance_uid: str) -> bytes:
        """Return a result's DICOM file; raise StudyNotFound where it is gone."""
        ...

    def origin(self, ref: InstanceRef) -> Origin:
        """Return who sent the instance and what its order says, as far as is known."""
        ...

    def arrived_at(self, ref: InstanceRef) -> datetime | None:
        """Return when the archive took the instance in; None where it does not know."""
        ...

    def store(self, dicom_file: bytes) -> None:
        """Store one DICOM file; storing the same twice is harmless."""
        ...

    def discard(self, refs: Sequence[InstanceRef]) -> None:
        """Delete instances that newer copies have replaced; what is gone already is gone."""
        ...

    def holds(self, ref: ObjectRef) -> bool:
        """Tell whether the object can be read back."""
        ...


class StoredResults(Protocol):
    """The node's own results, as the archive has them."""

    def result(self, sop_instance_uid: str) -> bytes:
        """Return a result's DICOM file; raise StudyNotFound where it is gone."""
        ...


class ChangeLog(Protocol):
    """What the archive says happened, in order, for reconcile."""

    def changes(self, since: int, limit: int = 500) -> Changes:
        """Return a page of the change log after sequence ``since``."""
        ...

    def last_before(self, moment: datetime) -> int:
        """Return the sequence of the last change before ``moment``; 0 without any study."""
        ...

    def study_uid(self, orthanc_study_id: str) -> str:
        """Return the Study Instance UID behind an archive id; raises StudyNotFound."""
        ...

    def study_uid_of_series(self, orthanc_series_id: str) -> str:
        """Return the Study Instance UID of a series; raises StudyNotFound."""
        ...

    def studies_of_instances(self, orthanc_instance_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the UIDs of the studies that hold these instances; deleted ones are left out."""
        ...


class Holdings(Protocol):
    """What the archive holds, as a whole."""

    def study_count(self) -> int:
        """Return how many studies the archive holds; raises ArchiveUnavailable."""
        ...

    def study_ids(self) -> frozenset[str]:
        """Return the archive's ids of all studies; raises ArchiveUnavailable."""
        ...

    def has_study(self, study_instance_uid: str) -> bool:
        """Tell whether the archive holds anything of a study; raises ArchiveUnavailable."""
        ...


class Catalogue(Protocol):
    """What the archive finds when somebody searches it."""

    def matching(
        self, keys: Sequence[MatchingKey], level: Level = Level.STUDY, most: int = 0
    ) -> tuple[str, ...]:
        """Return the UIDs of what matches every key, in no order; ``most``: so many at most."""
        ...

    def described(
        self,
        wanted: Sequence[str],
        fields: Sequence[str],
        level: Level = Level.STUDY,
        origin: str = "",
    ) -> tuple[Entry, ...]:
        """Return an entry for each UID, in this order, with these attributes beside QIDO's."""
        ...

    def studies_of(self, orthanc_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the UIDs of the studies that these resources are or belong to."""
        ...


class Destination(Protocol):
    """A place beside Orthanc that gets a copy of each result."""

    @property
    def name(self) -> str:
        """Return the configured name."""
        ...

    def send(self, dicom_file: Path) -> None:
        """Send one file; raises DeliveryFailed (may pass) or StoreRejected (will not)."""
        ...
