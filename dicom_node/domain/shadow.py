"""What a silent second model said, and what it is compared with."""

from dataclasses import dataclass
from enum import StrEnum

from dicom_node.domain.result import Finding, ModelIdentity, Prediction, Presence, Priority
from dicom_node.domain.study import StudyKind
from dicom_node.domain.worklist import Assessment


class ShadowState(StrEnum):
    """How far a shadow came with a study; STARTED that stays so lost its worker meanwhile."""

    STARTED = "STARTED"
    READ = "READ"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a model said of one label, without its place in the image; see `Finding`."""

    label: str
    probability: float
    threshold: float
    presence: Presence


@dataclass(frozen=True, slots=True)
class ShadowReading:
    """What became of a study in the shadow.

    READ has ``statements`` in the order of the card, the ``priority`` that the study would have
    had, and the milliseconds that the model took; FAILED has an ``error``, which names no patient.
    """

    model: ModelIdentity
    state: ShadowState
    statements: tuple[Statement, ...] = ()
    priority: Priority | None = None
    elapsed_ms: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ShadowAnswer:
    """What a shadow says of each sample of a study, without heatmaps, and how long it took."""

    predictions: tuple[Prediction, ...]
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the served model reported."""

    model: ModelIdentity
    statements: tuple[Statement, ...]
    priority: Priority | None


@dataclass(frozen=True, slots=True)
class ReadingPair:
    """One reported run that a shadow looked at too; ``assessment`` is the newest of its report."""

    study_instance_uid: str
    run_id: str
    kind: StudyKind
    served: Opinion
    shadow: ShadowReading
    assessment: Assessment | None = None


def statement(finding: Finding) -> Statement:
    """Return a finding without its place."""
    return Statement(finding.label, finding.probability, finding.threshold, finding.presence)
