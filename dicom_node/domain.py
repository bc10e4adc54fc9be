"""The vocabulary of the node: frozen values that cross module borders.

Positions and boxes are in pixels of the source image, origin at the top left corner of the
first pixel, x to the right (columns), y downwards (rows): the convention of SCOORD
(PS3.3 C.18.6). Times are aware UTC datetimes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dicom_node.codes import Code


class StudyKind(StrEnum):
    """What a model reads: a projection chest film or a chest CT series."""

    CXR = "CXR"
    CT = "CT"


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


class RefusalCode(StrEnum):
    """Why the node declines to read a study."""

    NO_ELIGIBLE_SERIES = "NO_ELIGIBLE_SERIES"
    MODALITY_NOT_SUPPORTED = "MODALITY_NOT_SUPPORTED"
    SOP_CLASS_NOT_SUPPORTED = "SOP_CLASS_NOT_SUPPORTED"
    MULTIFRAME_NOT_SUPPORTED = "MULTIFRAME_NOT_SUPPORTED"
    NO_PIXEL_DATA = "NO_PIXEL_DATA"
    TRANSFER_SYNTAX_NOT_SUPPORTED = "TRANSFER_SYNTAX_NOT_SUPPORTED"
    UNDECODABLE = "UNDECODABLE"
    INCONSISTENT_HEADER = "INCONSISTENT_HEADER"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    IMAGE_TOO_SMALL = "IMAGE_TOO_SMALL"
    BLANK_IMAGE = "BLANK_IMAGE"
    SCREEN_CAPTURE = "SCREEN_CAPTURE"
    PATIENT_MISMATCH = "PATIENT_MISMATCH"
    DUPLICATE_SOP_INSTANCE_UID = "DUPLICATE_SOP_INSTANCE_UID"
    SCOUT = "SCOUT"
    NOT_AXIAL = "NOT_AXIAL"
    TOO_FEW_SLICES = "TOO_FEW_SLICES"
    NO_LUNG = "NO_LUNG"
    NOT_CHEST = "NOT_CHEST"
    NOT_FRONTAL = "NOT_FRONTAL"
    NOT_UPRIGHT = "NOT_UPRIGHT"
    OUT_OF_DISTRIBUTION = "OUT_OF_DISTRIBUTION"


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One stored instance; ``revision`` changes whenever the archive stores it anew."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    orthanc_id: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class SeriesRef:
    """One series as the archive lists it."""

    series_instance_uid: str
    modality: str
    orthanc_id: str
    instances: tuple[InstanceRef, ...]
    description: str = ""
    series_number: int | None = None
    manufacturer: str = ""
    last_update: datetime | None = None


@dataclass(frozen=True, slots=True)
class StudyRef:
    """One study as the archive lists it, with the attributes that the worklist shows."""

    study_instance_uid: str
    orthanc_id: str
    patient_id: str
    patient_name: str
    accession_number: str
    study_description: str
    series: tuple[SeriesRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the pixels of a sample lie.

    ``row_spacing_mm`` is the distance between rows, ``column_spacing_mm`` between columns,
    None where the header gives none that can be trusted. For CT, ``slice_spacing_mm`` comes
    from Image Position (Patient) projected on the slice normal, never from Slice Thickness
    (PS3.3 C.7.6.2.1.1), ``positions_mm`` are those projections in the order of the sample and
    ``gaps`` counts slices that are missing between them.
    """

    row_spacing_mm: float | None = None
    column_spacing_mm: float | None = None
    slice_spacing_mm: float | None = None
    positions_mm: tuple[float, ...] = ()
    gaps: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Pixels in physical units, ready for a model.

    ``pixels``: float32. CXR: (rows, columns), 0 = darkest (air) to 1 = brightest (bone), the
    full range of the film, never inverted against that. CT: (slices, rows, columns) in
    Hounsfield units, head first or feet first as acquired, sorted by position.
    ``sources`` names the instance behind each slice, in the same order; a film has one.
    ``notes`` are sentences for the report, for example that a slice was missing.
    ``hints`` are header claims (body part, view), which the gate may weigh but never trusts.
    """

    kind: StudyKind
    pixels: NDArray[np.float32]
    geometry: Geometry
    sources: tuple[InstanceRef, ...]
    notes: tuple[str, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned region of one source image: 0 ≤ left < right ≤ columns, same for rows."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Region:
    """A box on one source instance."""

    sop_instance_uid: str
    box: Box


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
    """Grad-CAM on one source image: float32 (rows, columns) of that image, 0 to 1."""

    label: str
    source: InstanceRef
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a model says of one sample: findings in the order of the card, heatmaps beside."""

    model: ModelIdentity
    findings: tuple[Finding, ...]
    heatmaps: tuple[Heatmap, ...] = ()
    notes: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A coded decline with one sentence for the reader."""

    code: RefusalCode
    reason: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and why a run failed; the message names no patient."""

    stage: Stage
    message: str


@dataclass(frozen=True, slots=True)
class TriageResult:
    """A finished reading of one study, as persisted before any object is encoded.

    ``evidence`` are the instances that were read, the first of them the one that the findings
    rest on. ``completed_at`` is fixed when the result is persisted, so that encoding it twice
    gives the same bytes.
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


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A result object that the node wrote."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """A reader's verdict on one report."""

    verdict: str
    finding: str | None
    comment: str
    user: str
    report_sop_instance_uid: str
    assessed_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """The state of one result object at one destination."""

    destination: str
    sop_instance_uid: str
    state: str
    attempts: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class FindingItem:
    """A finding as the worklist shows it; ``present`` is None where undetermined."""

    label: str
    code: Code
    probability: float
    threshold: float
    present: bool | None


@dataclass(frozen=True, slots=True)
class WorklistItem:
    """One row of the triage worklist: the contract of ``/ai/worklist``."""

    study_instance_uid: str
    accession_number: str
    patient_id: str
    patient_name: str
    modality: str
    study_description: str
    state: RunState
    priority: Priority | None
    priority_reason: str | None
    findings: tuple[FindingItem, ...]
    model: ModelIdentity | None
    refusal: Refusal | None
    error: Failure | None
    received_at: datetime | None
    reported_at: datetime | None
    wait_s: float | None
    assessment: Assessment | None
    viewer_url: str
    report: ObjectRef | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a study's history."""

    run_id: str
    number: int
    state: RunState
    trigger: Trigger
    attempts: int
    model: ModelIdentity | None
    created_at: datetime
    finished_at: datetime | None
    refusal: Refusal | None
    error: Failure | None


@dataclass(frozen=True, slots=True)
class StudyDetail:
    """A worklist item with its history: ``show --json`` and ``/ai/studies/{uid}``.

    ``timings`` maps each stage of the newest run to seconds since the study was received.
    """

    item: WorklistItem
    runs: tuple[RunSummary, ...]
    reports: tuple[ObjectRef, ...]
    heatmaps: tuple[ObjectRef, ...]
    deliveries: tuple[Delivery, ...]
    timings: Mapping[str, float]
