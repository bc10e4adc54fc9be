"""Take back what is no longer true: reports that have a successor, and copies of images under an
identity that was wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node import log
from dicom_node.domain import Claim, InstanceRef, ObjectRef, RefusalCode, StudyRef
from dicom_node.errors import StudyNotFound, StudyRefused
from dicom_node.ledger import Ledger
from dicom_node.pixels.digest import pixel_digest
from dicom_node.pixels.load import Loaded, parse
from dicom_node.ports import Archive
from dicom_node.report import rejection
from dicom_node.report.encode import to_file
from dicom_node.report.provenance import Station
from dicom_node.report.rejection import Rejection


@dataclass(frozen=True, slots=True)
class Retraction:
    """Where things are taken back, and who says so."""

    archive: Archive
    ledger: Ledger
    station: Station

    def correct_identity(
        self, claim: Claim, study: StudyRef, loaded: Sequence[Loaded], at: datetime
    ) -> None:
        """Let the newest identity stand alone: the same pixels came under another one before.

        Destinations are told first to reject what was reported about the older copies; then the
        archive forgets those, since no viewer opens a study that two patients hold. Raises
        StudyRefused where a copy shows something else: then a person must find out who is who.
        """
        if not study.copies and not study.leftovers:
            return
        self._check_pixels(study.copies, loaded)
        old = self._held([ref.sop_instance_uid for ref in study.leftovers])
        if old and self._is_wanted:
            self._tell(claim, old, Rejection.WRONG_PATIENT, at)
        self.archive.discard([*study.copies, *study.leftovers])
        self.ledger.audit.append(
            "node",
            "study.identity",
            study_instance_uid=claim.study_instance_uid,
            run_id=claim.run_id,
            detail=f"{len(study.copies)} images and {len(study.leftovers)} results under an older "
            "patient identity were superseded by newer copies with the same pixels",
        )
        log.get().info("study.identity", study_uid=claim.study_instance_uid, run_id=claim.run_id)

    def reject(
        self, claim: Claim, superseded: Sequence[ObjectRef], successor: Dataset, at: datetime
    ) -> None:
        """Tell destinations to reject what ``successor`` supersedes, as far as it still exists."""
        if not self._is_wanted:
            return
        old = self._held([ref.sop_instance_uid for ref in superseded])
        if old:
            self._tell(claim, old, rejection.reason_for(old[0], successor), at)

    @property
    def _is_wanted(self) -> bool:
        return self.ledger.deliveries.are_wanted(rejection.NAME)

    def _check_pixels(self, copies: Sequence[InstanceRef], loaded: Sequence[Loaded]) -> None:
        newest = {one.ref.sop_instance_uid: one.dataset for one in loaded}
        for ref in copies:
            present = newest.get(ref.sop_instance_uid)
            if present is None:  # not of a kind that is read: nothing is said about it either
                continue
            if pixel_digest(parse(self.archive.instance(ref))) != pixel_digest(present):
                raise StudyRefused(
                    RefusalCode.PATIENT_MISMATCH,
                    "An image came under two patient identities and does not show the same: find "
                    "out whose it is, delete the other one from the node, then run again.",
                )

    def _held(self, sop_instance_uids: Sequence[str]) -> list[Dataset]:
        """Return those of the node's objects that the archive still has, without pixels."""
        found: list[Dataset] = []
        for uid in sop_instance_uids:
            try:
                content = self.archive.result(uid)
            except StudyNotFound:
                continue
            found.append(dcmread(BytesIO(content), stop_before_pixels=True))
        return found

    def _tell(self, claim: Claim, old: Sequence[Dataset], why: Rejection, at: datetime) -> None:
        note = rejection.note(old, why, self.station, at)
        self.ledger.deliveries.post(
            claim, rejection.NAME, note.reference.sop_instance_uid, to_file(note.document)
        )
        names = ", ".join(str(ds.SOPInstanceUID) for ds in old)
        self.ledger.audit.append(
            "node",
            "report.reject",
            study_instance_uid=claim.study_instance_uid,
            run_id=claim.run_id,
            detail=f"{why.title.value} ({why.title.meaning}): {names}",
        )
