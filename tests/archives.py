"""An archive in memory that holds real DICOM files, and fails as a test wants."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import md5
from io import BytesIO

from pydicom import Dataset, dcmread

from dicom_node.domain import InstanceRef, ObjectRef, SeriesRef, StudyRef
from dicom_node.errors import NodeError, StudyNotFound
from dicom_node.pixels.wrap import encode
from tests.listings import LONG_AGO, ListedArchive


@dataclass
class FileArchive(ListedArchive):
    """An archive that holds real files; every fault is one the test sets."""

    files: dict[str, bytes] = field(default_factory=dict)
    stored: list[Dataset] = field(default_factory=list)
    fault: NodeError | None = None
    forgets: bool = False
    listed_size: int = 0

    def take(self, image: Dataset) -> None:
        """Store an image as a modality would, anew each time."""
        content = encode(image)
        uid = str(image.SOPInstanceUID)
        self.files[uid] = content
        series = str(image.SeriesInstanceUID)
        revision = f"revision-{len(self.log)}"
        listed = StudyRef(
            study_instance_uid=str(image.StudyInstanceUID),
            orthanc_id="orthanc-study",
            patient_id=str(image.PatientID),
            patient_name=str(image.PatientName),
            accession_number="",
            study_description="",
            series=(
                _series(series, InstanceRef(uid, "", series, uid, revision, self.listed_size)),
            ),
        )
        self.put(listed, "StableStudy")

    def instance(self, ref: InstanceRef) -> bytes:
        """Return the file."""
        if ref.orthanc_id not in self.files:
            raise StudyNotFound(f"instance {ref.sop_instance_uid} is not in the archive")
        return self.files[ref.orthanc_id]

    def checksum(self, ref: InstanceRef) -> str:
        """Return the file's MD5, as Orthanc does."""
        return md5(self.files.get(ref.orthanc_id, b""), usedforsecurity=False).hexdigest()

    def store(self, dicom_file: bytes) -> None:
        """Take a result, or fail as the test wants."""
        if self.fault is not None:
            raise self.fault
        self.stored.append(dcmread(BytesIO(dicom_file)))

    def result(self, sop_instance_uid: str) -> bytes:
        """Return a result that was stored."""
        for one in reversed(self.stored):
            if one.SOPInstanceUID == sop_instance_uid:
                return encode(one)
        raise StudyNotFound(f"object {sop_instance_uid} is not in the archive")

    def discard(self, refs: Sequence[InstanceRef]) -> None:
        """Forget copies."""
        for ref in refs:
            self.files.pop(ref.orthanc_id, None)
            self.stored = [d for d in self.stored if d.SOPInstanceUID != ref.sop_instance_uid]

    def holds(self, ref: ObjectRef) -> bool:
        """Tell whether a result was stored."""
        held = {str(d.SOPInstanceUID) for d in self.stored}
        return not self.forgets and ref.sop_instance_uid in held

    @property
    def reports(self) -> list[Dataset]:
        """Return the stored SRs."""
        return [d for d in self.stored if d.Modality == "SR"]


def _series(uid: str, ref: InstanceRef) -> SeriesRef:
    return SeriesRef(uid, "CR", "orthanc-series", (ref,), last_update=LONG_AGO)
