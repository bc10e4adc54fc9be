"""What a model said, and what the node makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dicom_node.codes import Code
from dicom_node.domain.accounting import Images
from dicom_node.domain.sample import Region
from dicom_node.domain.study import InstanceRef, StudyKind


class Priority(StrEnum):
    """Reading priority, most urgent first; a study without a result has none."""

    STAT = "STAT"
    HIGH = "HIGH"
    ROUTINE = "ROUTINE"
    LOW = "LOW"


class Presence(StrEnum):
    """What a threshold makes of a probability; CID 240."""

    PRESENT = "present"
    ABSENT = "absent"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Finding:
    """One label's result.

    ``probability`` and ``threshold`` lie in [0, 1]. ``region`` is where the evidence lies, or
    the whole image where the model cannot localise.
    """

    label: str
    code: Code
    probability: float
    threshold: float
    presence: Presence
    region: Region


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured quantity of a finding: ``value`` in ``unit`` (UCUM).

    ``region`` is where the finding shows most. ``definition`` says in one sentence what was
    counted, so that a reader can judge the number.
    """

    finding: Code
    quantity: Code
    value: float
    unit: Code
    region: Region
    definition: str


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Which weights gave a result."""

    name: str
    version: str
    weights_sha256: str

    @property
    def key(self) -> str:
        """One string that names this model, for digests and UIDs."""
        return f"{self.name}\x1f{self.version}\x1f{self.weights_sha256}"


@dataclass(frozen=True, slots=True, eq=False)
class Heatmap:
    """Grad-CAM on one source image: ``weights`` float32 (rows, columns) of that image, 0 to 1.

    ``image`` is what the reader is shown beneath them, of the same shape: display greys, 0 black
    to 1 white (the film, or the CT slice in its lung window).
    """

    label: str
    source: InstanceRef
    weights: NDArray[np.float32]
    image: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a model says of one sample: findings in the order of the card, heatmaps beside."""

    model: ModelIdentity
    findings: tuple[Finding, ...]
    heatmaps: tuple[Heatmap, ...] = ()
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A result object that the node wrote."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True)
class TriageResult:
    """A finished reading of one study, as persisted before any object is encoded.

    ``evidence`` are the instances that were read, the first of them the one that the findings
    rest on. ``completed_at`` is fixed when the result is persisted, so that encoding it twice
    gives the same bytes. ``images`` accounts for every image of the study; results kept by older
    versions have none. ``incomplete`` says what of the study had not come, '' where it was whole.
    ``number`` is the run's among those of the study.
    """

    run_identity: str
    study_instance_uid: str
    kind: StudyKind
    model: ModelIdentity
    policy_hash: str
    findings: tuple[Finding, ...]
    priority: Priority
    priority_reason: str
    evidence: tuple[InstanceRef, ...]
    completed_at: datetime
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    predecessor: "ObjectRef | None" = None
    measurements: tuple[Measurement, ...] = ()
    images: Images | None = None
    incomplete: str = ""
    number: int = 1
