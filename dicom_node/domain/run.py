"""Runs: their states, stages and owners. Times are aware UTC datetimes."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dicom_node.domain.result import ModelIdentity, ObjectRef
from dicom_node.domain.study import StudyKind
from dicom_node.domain.urgency import Urgency


class RunState(StrEnum):
    """The life of a study and of each run on it; REPORTED, REFUSED and FAILED are ends."""

    RECEIVED = "RECEIVED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    REPORTED = "REPORTED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"

    @property
    def is_final(self) -> bool:
        """Whether no worker will touch a run in this state again by itself."""
        return self in _FINAL


_FINAL = frozenset({RunState.REPORTED, RunState.REFUSED, RunState.FAILED, RunState.SUPERSEDED})


class Stage(StrEnum):
    """Where a run stands; failures and timings are told by stage."""

    RECEIVE = "receive"
    DISPATCH = "dispatch"
    CLAIM = "claim"
    FETCH = "fetch"
    DECODE = "decode"
    GATE = "gate"
    INFER = "infer"
    PRIORITISE = "prioritise"
    RECORD = "record"
    REPORT = "report"
    STORE = "store"
    CONFIRM = "confirm"
    DELIVER = "deliver"


class Trigger(StrEnum):
    """Who asked for a run."""

    STABLE = "stable"
    RECONCILE = "reconcile"
    VIEWER = "viewer"
    RETRY = "retry"
    COMMAND = "command"

    @property
    def is_automatic(self) -> bool:
        """Whether no person asked: the archive spoke of the study."""
        return self in {Trigger.STABLE, Trigger.RECONCILE}


class Resend(StrEnum):
    """What becomes of a study that has been read, when its images are stored again.

    NEVER: only a person has it read again. CHANGED: a new run where a byte differs. ALWAYS: a
    new run each time.
    """

    NEVER = "NEVER"
    CHANGED = "CHANGED"
    ALWAYS = "ALWAYS"


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and why a run failed; the message names no patient."""

    stage: Stage
    message: str


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A wish that a study be read.

    ``archive_digest`` hashes the eligible instances as the archive lists them, without reading
    a pixel: equal only if no byte changed since; ``stored_digest`` only if nothing was stored
    since, the same bytes included. ``model`` is None while no worker has
    published one. ``patient_id`` is kept to notice a changed identity, never logged.
    ``lost_run`` names a run whose report the archive holds no more: it does not answer.
    """

    study_instance_uid: str
    kind: StudyKind
    archive_digest: str
    model: ModelIdentity | None
    policy_hash: str
    patient_id: str
    trigger: Trigger
    actor: str
    force: bool = False
    resend: Resend = Resend.CHANGED
    urgency: Urgency = Urgency.ROUTINE
    stored_digest: str = ""
    lost_run: str = ""


@dataclass(frozen=True, slots=True)
class RunTicket:
    """The run that answers a request; ``created`` is False where it stood already.

    A FAILED run that the request brought back to life counts as created: it must be handed over.
    ``urgency`` is the one it was asked for with, at ``asked_at``; ``fence`` is that of its last
    claim. ``report`` is what a REPORTED run
    answers with, where there is reason to look whether the archive still holds it.
    """

    run_id: str
    study_instance_uid: str
    number: int
    state: RunState
    created: bool
    urgency: Urgency
    asked_at: datetime
    fence: int
    report: ObjectRef | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's right to one run; ``fence`` grows with each claim of the same run.

    ``deaths`` of the attempts before this one ended with a worker that fell silent.
    """

    run_id: str
    study_instance_uid: str
    kind: StudyKind
    number: int
    attempt: int
    deaths: int
    fence: int
    patient_id: str
    forced: bool
    trigger: Trigger

    @property
    def failures(self) -> int:
        """How many attempts have failed, if this one fails too: those that nobody died of."""
        return self.attempt - self.deaths


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """One result object that waits to be sent to one destination."""

    delivery_id: int
    run_id: str
    study_instance_uid: str
    destination: str
    sop_instance_uid: str
    attempts: int


@dataclass(frozen=True, slots=True)
class RevivedDelivery:
    """A delivery that had failed and is to be tried again."""

    study_instance_uid: str
    destination: str
    sop_instance_uid: str


class ModelState(StrEnum):
    """What a model is to a node: SERVED speaks, SHADOW reads silently, REGISTERED is known."""

    SERVED = "served"
    SHADOW = "shadow"
    REGISTERED = "registered"


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a worker says of a model it knows: the card as JSON text, and whether it is fit.

    At most one of a kind is SERVED, and at most one SHADOW.
    """

    kind: StudyKind
    identity: ModelIdentity
    card: str
    ready: bool
    message: str
    device: str
    seen_at: datetime
    state: ModelState = ModelState.SERVED
