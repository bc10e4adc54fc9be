"""The ledger's books, as the parts that write in them see them."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Protocol

from dicom_node.domain import (
    Claim,
    DueDelivery,
    Failure,
    Images,
    ModelIdentity,
    ObjectRef,
    Refusal,
    RunRequest,
    RunTicket,
    ServedModel,
    ShadowReading,
    Stage,
    StudyKind,
    StudyRef,
    TriageResult,
)


class RunBook(Protocol):
    """The ledger's side of a run: one writer for each transition (`dicom_node.ledger.runs`).

    Methods that take a `Claim` raise LeaseLost where its fence is no longer the newest.
    """

    def request(self, request: RunRequest) -> RunTicket:
        """Answer with the run for this request, making one only where none stands.

        Same archive digest, model and policy: the newest such run, whatever its state, unless
        ``force`` or trigger RETRY revives it; the same digest alone where an automatic trigger
        speaks of a study that has been read. A QUEUED run of the study with another digest is
        re-used; beside a RUNNING one, and after an ended one, run N+1 is made, QUEUED. A REPORTED
        run answers with its ``report`` where the archive may have lost it: if so, ask again with
        ``lost_run``.
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

    def repeats(self, claim: Claim, evidence_digest: str, images: Images, incomplete: str) -> bool:
        """Tell whether the standing report rests on the same images; then this run is over."""
        ...

    def superseded(self, claim: Claim) -> Sequence[ObjectRef]:
        """Return all objects of the run whose report this one will supersede."""
        ...

    def predecessor(self, claim: Claim) -> ObjectRef | None:
        """Return the report that this run will supersede."""
        ...

    def is_spent(self, claim: Claim, identity: str) -> bool:
        """Tell whether an older run of the study reported under this identity and is over."""
        ...

    def drafts(self, claim: Claim) -> Sequence[TriageResult]:
        """Return results of the study that no REPORTED run stands for, newest first."""
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

    def refused(self, claim: Claim, refusal: Refusal, images: Images | None = None) -> None:
        """End the run REFUSED, with the account of its images; supersede older ones."""
        ...

    def failed(
        self, claim: Claim, failure: Failure, retry_at: datetime | None, *, counted: bool = True
    ) -> None:
        """End the run FAILED, or, with ``retry_at``, put it back to QUEUED until then.

        Unless ``counted``, the attempt is forgotten.
        """
        ...

    def due(self, now: datetime) -> Sequence[RunTicket]:
        """Return QUEUED runs whose retry time has come, or that were never handed over, and
        RUNNING ones whose lease ran out."""
        ...

    def recall(self, held: int) -> int:
        """Forget hand-overs that the broker lost, given how many messages it holds; `due` names
        those runs again. Return how many they are."""
        ...

    def handed_over(self, given: RunTicket, rises_at: datetime | None = None) -> None:
        """Write down that the broker has the run; it is due again at ``rises_at`` at the latest.

        Nothing where the run has been claimed or raised since, or a sibling is being read.
        """
        ...


class StudyBook(Protocol):
    """The ledger's side of a study before and beside its runs (`dicom_node.ledger.studies`)."""

    def record(self, study: StudyRef, modality: str) -> bool:
        """Give the study a row in state RECEIVED; True where it is new; refresh attributes."""
        ...

    def arrived(self, study_instance_uid: str, at: datetime) -> None:
        """Count the study's time from when its images came, not from when they were seen."""
        ...

    def depart(self, study_instance_uid: str, actor: str, reason: str) -> bool:
        """Take a study off the list that the archive holds no more; False where none is listed."""
        ...

    def come_back(self, study_instance_uid: str) -> None:
        """List a study again that could not be deleted after all, and look at it soon."""
        ...

    def present(self) -> Mapping[str, str]:
        """Map the archive's id of each listed study to its UID."""
        ...

    def present_count(self) -> int:
        """Count what `present` maps."""
        ...

    def announce(self, study_instance_uid: str) -> None:
        """Give a study of which nothing but the UID is known a row, unless it has one."""
        ...

    def wait(self, study_instance_uid: str, due_at: datetime) -> None:
        """Look at the study again at ``due_at``."""
        ...

    def looked_at(self, study_instance_uid: str, at: datetime) -> None:
        """Forget the look that was due by ``at``; one that is due later stands."""
        ...

    def refuse(
        self,
        study_instance_uid: str,
        refusal: Refusal,
        images: Images | None = None,
        *,
        looked_at: datetime | None = None,
    ) -> None:
        """End a study that has no run REFUSED, and forget the look that was due by then."""
        ...

    def fail(
        self, study_instance_uid: str, failure: Failure, *, looked_at: datetime | None = None
    ) -> None:
        """End a study that has no run FAILED, and forget the look that was due by then."""
        ...

    def due(self, now: datetime) -> Sequence[str]:
        """Return the UIDs of studies to look at again."""
        ...

    def cursor(self, name: str) -> int:
        """Return a stored cursor, 0 at first."""
        ...

    def has_cursor(self, name: str) -> bool:
        """Tell whether a cursor has ever been stored."""
        ...

    def step_over(self, kind: str, orthanc_id: str, due_at: datetime) -> None:
        """Note an entry of the archive's log that cannot be followed, to look at it again then."""
        ...

    def stepped_over(self, due_by: datetime | None = None) -> Sequence[tuple[str, str]]:
        """Return (kind, archive id) of entries that were stepped over, those due by then."""
        ...

    def followed(self, kind: str, orthanc_id: str) -> None:
        """Forget an entry that was stepped over: it could be followed, or is gone."""
        ...

    def move_cursor(self, name: str, value: int) -> None:
        """Store a cursor."""
        ...

    def clock_was_set_back(self, by: timedelta) -> None:
        """Bring all that waits for a time nearer by what the clock was set back."""
        ...

    def served_model(self, kind: StudyKind) -> ServedModel | None:
        """Return the model that a worker has published for this kind."""
        ...

    def publish(self, models: Sequence[ServedModel]) -> None:
        """Write down all models that a worker knows; also its sign of life."""
        ...


class DeliveryBook(Protocol):
    """The ledger's side of deliveries (`dicom_node.ledger.deliveries`)."""

    def want(self, wishes: Mapping[str, Set[str]]) -> None:
        """Say which destinations there are, each with the writers whose objects it gets."""
        ...

    def are_wanted(self, writer: str) -> bool:
        """Tell whether any destination wants what this writer makes."""
        ...

    def post(self, claim: Claim, writer: str, sop_instance_uid: str, content: bytes) -> int:
        """Plan what the archive does not hold; return how many deliveries that are."""
        ...

    def posted(self, sop_instance_uid: str) -> bytes | None:
        """Return what was posted, None where the archive has it."""
        ...

    def plan_late(self) -> int:
        """Plan what was reported before anybody had named the destinations; return how many."""
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

    def put_off(self, delivery_id: int, retry_at: datetime) -> None:
        """Try again at ``retry_at``, without counting an attempt."""
        ...


class ShadowBook(Protocol):
    """The ledger's side of shadow readings (`dicom_node.ledger.shadows`).

    Nothing here touches a run: a shadow reads what is REPORTED already.
    """

    def start(self, run_id: str, model: ModelIdentity) -> None:
        """Write down that a shadow begins to read the run's images."""
        ...

    def end(self, run_id: str, reading: ShadowReading) -> None:
        """Write down what became of it."""
        ...
