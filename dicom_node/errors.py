"""The errors of the node, one tree.

::

    NodeError
    ├── SettingsError            a setting or the policy is wrong; lists every fault
    ├── ArchiveError
    │   ├── ArchiveUnavailable   * Orthanc does not answer
    │   │   ├── ArchiveAway      *   nobody listens; an attempt that met it does not count
    │   │   └── ArchiveFault     *   it answers with a server error
    │   ├── StudyNotFound          the archive does not hold the study (any more)
    │   ├── StoreRejected          the archive or a destination refused an object
    │   ├── DeliveryFailed       * a destination could not be reached
    │   └── PatientIdentityChanged the study changed patients between queue and report
    ├── StudyRefused             the node declines to read this study; carries a code
    ├── ObjectRefused            an object may not be stored; carries a failure reason
    ├── PixelError               an image cannot be decoded; carries a refusal code
    ├── ModelError
    │   ├── ModelNotFound          no such model, or none served for this kind of study
    │   ├── WeightsMismatch        weights differ from the hash in the card
    │   ├── GoldenMismatch         the start-up prediction differs from the recorded one
    │   ├── DeviceLost           * the GPU answers nothing any more in this process
    │   └── InferenceFailed        the network raised
    ├── AssociationBroken        what a caller sends is no DICOM
    ├── ReportError              a result object cannot be built
    ├── ExportError              a study cannot be de-identified
    ├── QueueUnavailable         * the broker does not answer
    ├── LedgerError
    │   ├── LedgerUnavailable    * the database does not answer
    │   ├── LedgerDamaged          the database file is no longer sound
    │   ├── RunNotFound
    │   └── LeaseLost              another worker owns this run now
    ├── AccessError              a user, a password or a session is not as it must be
    ├── StudyIncomplete        * more of the study is expected; says until when to wait
    ├── WorkerLost               every worker that tried this run died of it
    ├── TookTooLong              a reading ran into its time limit
    ├── OutOfMemory              a reading needs more memory than a worker may have
    └── UnforeseenError          a fault of the node itself, caught at an outer boundary

    (*) ``retryable``: the same call may succeed later.

Each message says what happened, to which study, and what to do. Messages never hold a
patient's name, id, birth date or free text: they are logged and shown.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import ClassVar


class NodeError(Exception):
    """Root of every error that the node raises on purpose."""

    retryable: ClassVar[bool] = False
    counts: ClassVar[bool] = True
    """Whether an attempt at a run that met this error is one of those the policy allows."""


class SettingsError(NodeError):
    """A setting or the policy file is wrong; the message lists every fault."""


class ArchiveError(NodeError):
    """The archive, or a delivery destination, did not do what was asked."""


class ArchiveUnavailable(ArchiveError):
    """Orthanc does not answer, or answers with a server error."""

    retryable = True


class ArchiveAway(ArchiveUnavailable):
    """Nobody listens where Orthanc should: it is down or starting, whatever was asked of it."""

    counts = False


class ArchiveFault(ArchiveUnavailable):
    """Orthanc answers with a server error, as where it has lost a file or its disk."""


class StudyNotFound(ArchiveError):
    """The archive does not hold this study, or holds it no more."""


class StoreRejected(ArchiveError):
    """The archive or a destination refused a result object for good."""


class DeliveryFailed(ArchiveError):
    """A destination could not be reached, or failed in a way that may pass."""

    retryable = True


class PatientIdentityChanged(ArchiveError):
    """The study belongs to another patient than when it was queued."""


class StudyRefused(NodeError):
    """The node declines to read a study: a first-class result, not a fault.

    ``code`` is a member value of `dicom_node.domain.RefusalCode`; ``reason`` one sentence
    for the radiologist. ``left_out`` may tell more of single images: code and reason by SOP
    Instance UID.
    """

    def __init__(
        self, code: str, reason: str, left_out: Mapping[str, tuple[str, str]] | None = None
    ) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.left_out = left_out or {}


class ObjectRefused(NodeError):
    """An object may not be stored; ``reason`` is a failure reason of PS3.18 I.2.2."""

    def __init__(self, reason: int, sentence: str) -> None:
        super().__init__(f"{sentence} ({reason:04X}H)")
        self.reason = reason


class AssociationBroken(NodeError):
    """What a caller sends on an association is no DICOM, or comes too slowly."""


class PixelError(StudyRefused):
    """An image cannot be turned into numbers; refused by name."""


class ModelError(NodeError):
    """A model cannot be loaded or run."""


class ModelNotFound(ModelError):
    """No such model is registered, or none is served for this kind of study."""


class WeightsMismatch(ModelError):
    """The weights on disk are not the ones that the model card names."""


class GoldenMismatch(ModelError):
    """The start-up prediction differs from the recorded one."""


class DeviceLost(ModelError):
    """A CUDA error that stays: only a new process can use the GPU again."""

    retryable = True
    counts = False


class InferenceFailed(ModelError):
    """The network raised while it read a sample."""


class ReportError(NodeError):
    """A result object cannot be built from this result and these sources."""


class ExportError(NodeError):
    """A study cannot be de-identified, so nothing of it is written."""


class QueueUnavailable(NodeError):
    """The broker does not answer; reconcile will dispatch later."""

    retryable = True


class LedgerError(NodeError):
    """The ledger did not do what was asked."""


class LedgerUnavailable(LedgerError):
    """The ledger's database does not answer, or stays locked."""

    retryable = True


class LedgerDamaged(LedgerError):
    """The database's file is no longer sound; the message says which, and how to restore it."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"the ledger {file} is damaged. {self.advice(file)}")

    @staticmethod
    def advice(file: Path) -> str:
        """Return what to do about it."""
        return (
            f"End the node (dicom-node down), move {file.name}, {file.name}-wal and "
            f"{file.name}-shm aside, and put a backup in their place; without one, try: sqlite3 "
            f"ASIDE .recover | sqlite3 {file}. Where neither helps, start without a file: the node "
            "makes a new ledger, and NODE_BACKLOG says for how many hours back the studies in "
            "Orthanc are read again"
        )


class RunNotFound(LedgerError):
    """The ledger knows no such run."""


class LeaseLost(LedgerError):
    """Another worker has taken this run over; the present one must stop."""


class AccessError(NodeError):
    """A user, a password or a session is not as it must be; the message says what to do."""


class StudyIncomplete(NodeError):
    """More of the study may still come; it is read at ``until`` at the latest, as it is then."""

    retryable = True
    counts = False

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class WorkerLost(NodeError):
    """Every worker that tried this run died of it; it is not tried again by itself."""


class TookTooLong(NodeError):
    """A reading ran into its time limit; a second one would too."""


class OutOfMemory(NodeError):
    """A reading needs more memory than a worker may have; a second one would too."""


class UnforeseenError(NodeError):
    """A fault of the node itself that an outer boundary caught; the log tells where."""
