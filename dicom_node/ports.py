"""What one part of the node needs of another, as protocols."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydicom.dataset import Dataset

from dicom_node.domain import (
    Changes,
    Claim,
    DueDelivery,
    Failure,
    Heatmap,
    InstanceRef,
    ModelIdentity,
    ObjectRef,
    Prediction,
    Refusal,
    RunRequest,
    RunTicket,
    Sample,
    ServedModel,
    Stage,
    StudyKind,
    StudyRef,
    TriageResult,
    Trigger,
)


class Archive(Protocol):
    """The PACS that holds the studies: Orthanc in production, a folder for ``analyze``."""

    def study(self, study_instance_uid: str) -> StudyRef:
        """Return the study with its series; raise StudyNotFound or PatientMismatch refusal."""
        ...

    def instance(self, ref: InstanceRef) -> bytes:
        """Return the instance's DICOM file; raise StudyNotFound where it is gone."""
        ...

    def store(self, dicom_file: bytes) -> None:
        """Store one DICOM file; storing the same twice is harmless."""
        ...

    def holds(self, ref: ObjectRef) -> bool:
        """Tell whether the object can be read back."""
        ...


class Gate(Protocol):
    """Says no to what a model must not read."""

    def check(self, sample: Sample) -> Sample:
        """Return the sample to read, corrected where the pixels contradict the header.

        Raises StudyRefused with a code and a sentence.
        """
        ...


class Classifier(Protocol):
    """A model with its card."""

    @property
    def identity(self) -> ModelIdentity:
        """Return which weights these are."""
        ...

    @property
    def kind(self) -> StudyKind:
        """Return what this model reads."""
        ...

    def predict(self, sample: Sample) -> Prediction:
        """Read one sample that the gate has passed; raises InferenceFailed."""
        ...


class Runtime(Protocol):
    """The warm models of one process, verified at start-up."""

    def gate(self, kind: StudyKind) -> Gate:
        """Return the gate for this kind of study."""
        ...

    def classifier(self, kind: StudyKind) -> Classifier:
        """Return the served model; raises ModelNotFound."""
        ...


class ResultWriter(Protocol):
    """Encodes a persisted result as one DICOM object; equal input gives equal bytes."""

    @property
    def name(self) -> str:
        """Return the registry name, for example ``sr``."""
        ...

    def reference(self, result: TriageResult) -> ObjectRef:
        """Return the UIDs that the object has or will have."""
        ...

    def applies(self, heatmaps: Sequence[Heatmap]) -> bool:
        """Tell whether there is anything to write."""
        ...

    def write(
        self, result: TriageResult, sources: Sequence[Dataset], heatmaps: Sequence[Heatmap]
    ) -> Dataset:
        """Encode ``result``; ``sources`` are read from the archive when the report is written.

        Raises ReportError.
        """
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


class RunBook(Protocol):
    """The ledger's side of a run: one writer for each transition (`dicom_node.ledger.runs`).

    Methods that take a `Claim` raise LeaseLost where its fence is no longer the newest.
    """

    def request(self, request: RunRequest) -> RunTicket:
        """Answer with the run for this request, making one only where none stands.

        Same archive digest, model and policy: the newest such run, whatever its state, unless
        ``force`` or trigger RETRY revives it. A QUEUED run of the study with another digest is
        re-used; beside a RUNNING one, and after an ended one, run N+1 is made, QUEUED.
        """
        ...

    def claim(self, run_id: str, worker: str, lease_s: float) -> Claim | None:
        """Take a QUEUED run, or one whose lease ran out; None where there is nothing to do."""
        ...

    def renew(self, claim: Claim, lease_s: float) -> None:
        """Prolong the lease."""
        ...

    def mark(self, claim: Claim, stage: Stage) -> None:
        """Write down when ``stage`` ended."""
        ...

    def identify(
        self, claim: Claim, identity: str, input_digest: str, model: ModelIdentity
    ) -> bool:
        """Give the run its identity; False where a finished run of the study has it already.

        In that case this run ends SUPERSEDED as a duplicate, and the older one is current again.
        """
        ...

    def predecessor(self, claim: Claim) -> ObjectRef | None:
        """Return the report that this run will supersede."""
        ...

    def save_result(self, claim: Claim, result: TriageResult) -> None:
        """Persist the result before anything is encoded."""
        ...

    def result(self, run_id: str) -> TriageResult | None:
        """Return the persisted result, so that a second attempt encodes the same."""
        ...

    def reported(self, claim: Claim, objects: Sequence[tuple[str, ObjectRef]]) -> None:
        """End the run REPORTED with its (writer name, object) pairs; supersede older ones."""
        ...

    def refused(self, claim: Claim, refusal: Refusal) -> None:
        """End the run REFUSED; supersede older ones."""
        ...

    def failed(self, claim: Claim, failure: Failure, retry_at: datetime | None) -> None:
        """End the run FAILED, or, with ``retry_at``, put it back to QUEUED until then."""
        ...

    def due(self, now: datetime) -> Sequence[RunTicket]:
        """Return QUEUED runs whose retry time has come, or that were never handed over, and
        RUNNING ones whose lease ran out."""
        ...

    def handed_over(self, run_id: str) -> None:
        """Write down that the broker has the run."""
        ...


class StudyBook(Protocol):
    """The ledger's side of a study before and beside its runs (`dicom_node.ledger.studies`)."""

    def record(self, study: StudyRef, modality: str) -> bool:
        """Give the study a row in state RECEIVED; True where it is new; refresh attributes."""
        ...

    def wait(self, study_instance_uid: str, due_at: datetime | None) -> None:
        """Look at the study again at ``due_at``; None: no more."""
        ...

    def refuse(self, study_instance_uid: str, refusal: Refusal) -> None:
        """End a study that has no run REFUSED."""
        ...

    def fail(self, study_instance_uid: str, failure: Failure) -> None:
        """End a study that has no run FAILED."""
        ...

    def due(self, now: datetime) -> Sequence[str]:
        """Return the UIDs of studies to look at again."""
        ...

    def cursor(self, name: str) -> int:
        """Return a stored cursor, 0 at first."""
        ...

    def move_cursor(self, name: str, value: int) -> None:
        """Store a cursor."""
        ...

    def served_model(self, kind: StudyKind) -> ServedModel | None:
        """Return the model that a worker has published for this kind."""
        ...

    def publish(self, model: ServedModel) -> None:
        """Write down what a worker serves; also its sign of life."""
        ...


class DeliveryBook(Protocol):
    """The ledger's side of deliveries (`dicom_node.ledger.deliveries`)."""

    def plan(self, run_id: str, destination: str, sop_instance_uid: str, file: str) -> None:
        """Plan one delivery; planning it twice is harmless."""
        ...

    def due(self, now: datetime) -> Sequence[DueDelivery]:
        """Return deliveries whose time has come."""
        ...

    def delivered(self, delivery_id: int) -> None:
        """End a delivery DELIVERED."""
        ...

    def postponed(self, delivery_id: int, message: str, retry_at: datetime | None) -> None:
        """Try again at ``retry_at``; None ends it FAILED."""
        ...


class Queue(Protocol):
    """The broker, as admission sees it (`dicom_node.intake.dispatch`)."""

    def enqueue(self, run_id: str, trigger: Trigger) -> None:
        """Hand a run's id to the workers; raises QueueUnavailable."""
        ...


class Admission(Protocol):
    """Asking for a run, as the API sees it (`dicom_node.intake.admission`)."""

    def admit(
        self, study_instance_uid: str, *, trigger: Trigger, actor: str, force: bool = False
    ) -> RunTicket:
        """Ask for a run at once because a person wants it.

        Raises StudyNotFound, StudyRefused (the refusal is in the worklist), ArchiveUnavailable,
        and QueueUnavailable, after which the run stands and is handed over by itself.
        """
        ...


class ChangeLog(Protocol):
    """What the archive says happened, in order, for reconcile."""

    def changes(self, since: int, limit: int = 500) -> Changes:
        """Return a page of the change log after sequence ``since``."""
        ...

    def study_uid(self, orthanc_study_id: str) -> str:
        """Return the Study Instance UID behind an archive id; raises StudyNotFound."""
        ...

    def study_uid_of_series(self, orthanc_series_id: str) -> str:
        """Return the Study Instance UID of a series; raises StudyNotFound."""
        ...
