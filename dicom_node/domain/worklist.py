"""The triage worklist: the contract of ``/ai/worklist`` and ``show --json``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dicom_node.codes import Code
from dicom_node.domain.accounting import Images
from dicom_node.domain.refusal import Refusal
from dicom_node.domain.result import ModelIdentity, ObjectRef, Priority
from dicom_node.domain.run import Failure, RunState, Trigger


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
    """One row of the triage worklist: the contract of ``/ai/worklist``.

    ``images`` is None before the study was judged, and where an older version read it.
    """

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
    images: Images | None

    @property
    def is_assessed(self) -> bool:
        """Whether a reader has judged the report in view."""
        return self.assessment is not None


@dataclass(frozen=True, slots=True)
class WorklistHead:
    """What filters and the reading order look at of a `WorklistItem`; cheap to get for all."""

    study_instance_uid: str
    accession_number: str
    patient_id: str
    patient_name: str
    modality: str
    study_description: str
    state: RunState
    priority: Priority | None
    received_at: datetime | None
    is_assessed: bool


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
