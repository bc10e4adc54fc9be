"""The tables of the ledger: text without length, since what a modality sends is kept as sent.

Patient attributes are in ``studies`` (and the id in ``runs``, to notice a changed one) alone.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column

from dicom_node.domain import (
    ModelIdentity,
    ModelState,
    Presence,
    Priority,
    RefusalCode,
    RunState,
    ShadowState,
    Stage,
    StudyKind,
    Trigger,
    Urgency,
)
from dicom_node.ledger.columns import Base
from dicom_node.ledger.people import SiteUserRow

_QUEUED = text("state = 'QUEUED'")
_RUNNING = text("state = 'RUNNING'")
_STANDING = text("identity IS NOT NULL AND state <> 'SUPERSEDED' AND NOT forced")


class StudyRow(Base):
    """A study; ``state`` is its newest run's, the verdict columns hold where it has none.

    ``gone_at`` is when the archive was found to hold it no more.
    """

    __tablename__ = "studies"

    study_instance_uid: Mapped[str] = mapped_column(primary_key=True)
    orthanc_id: Mapped[str]
    patient_id: Mapped[str]
    patient_name: Mapped[str]
    accession_number: Mapped[str]
    study_description: Mapped[str]
    modality: Mapped[str] = mapped_column(index=True)
    state: Mapped[RunState] = mapped_column(index=True)
    received_at: Mapped[datetime]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    refusal_code: Mapped[RefusalCode | None]
    refusal_reason: Mapped[str | None]
    error_stage: Mapped[Stage | None]
    error_message: Mapped[str | None]
    gone_at: Mapped[datetime | None]
    images: Mapped[str | None]


class RunRow(Base):
    """One reading of a study; the partial indexes are the guarantee behind the state machine."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("study_instance_uid", "number"),
        Index(
            "uq_runs_one_queued",
            "study_instance_uid",
            unique=True,
            sqlite_where=_QUEUED,
            postgresql_where=_QUEUED,
        ),
        Index(
            "uq_runs_one_running",
            "study_instance_uid",
            unique=True,
            sqlite_where=_RUNNING,
            postgresql_where=_RUNNING,
        ),
        Index(
            "uq_runs_identity",
            "study_instance_uid",
            "identity",
            unique=True,
            sqlite_where=_STANDING,
            postgresql_where=_STANDING,
        ),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_instance_uid"))
    number: Mapped[int]
    kind: Mapped[StudyKind]
    state: Mapped[RunState] = mapped_column(index=True)
    trigger: Mapped[Trigger]
    actor: Mapped[str]
    forced: Mapped[bool] = mapped_column(Boolean)
    archive_digest: Mapped[str]
    stored_digest: Mapped[str] = mapped_column(server_default="")
    policy_hash: Mapped[str]
    patient_id: Mapped[str]
    model_name: Mapped[str | None]
    model_version: Mapped[str | None]
    model_sha256: Mapped[str | None]
    identity: Mapped[str | None]
    input_digest: Mapped[str | None]
    evidence_digest: Mapped[str | None]
    duplicate_of: Mapped[str | None] = mapped_column(ForeignKey("runs.run_id"))
    attempts: Mapped[int]
    deaths: Mapped[int] = mapped_column(server_default="0")
    fence: Mapped[int]
    worker: Mapped[str | None]
    created_at: Mapped[datetime]
    asked_at: Mapped[datetime]
    urgency: Mapped[Urgency] = mapped_column(server_default=Urgency.ROUTINE)
    handed_over_at: Mapped[datetime | None]
    again_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    planned_at: Mapped[datetime | None]
    turnaround_s: Mapped[float | None] = mapped_column(Float)
    refusal_code: Mapped[RefusalCode | None]
    refusal_reason: Mapped[str | None]
    error_stage: Mapped[Stage | None]
    error_message: Mapped[str | None]
    priority: Mapped[Priority | None]
    priority_reason: Mapped[str | None]
    images: Mapped[str | None]

    @property
    def model(self) -> ModelIdentity | None:
        """The model of this run, None while unknown."""
        if self.model_name is None:
            return None
        return ModelIdentity(self.model_name, self.model_version or "", self.model_sha256 or "")

    @model.setter
    def model(self, identity: ModelIdentity | None) -> None:
        self.model_name = None if identity is None else identity.name
        self.model_version = None if identity is None else identity.version
        self.model_sha256 = None if identity is None else identity.weights_sha256


class FindingRow(Base):
    """One label's result, in the order of the card."""

    __tablename__ = "findings"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str]
    code_value: Mapped[str]
    code_scheme: Mapped[str]
    code_meaning: Mapped[str]
    probability: Mapped[float] = mapped_column(Float)
    threshold: Mapped[float] = mapped_column(Float)
    presence: Mapped[Presence]


class ResultRow(Base):
    """A persisted `TriageResult` as JSON; reads back exactly."""

    __tablename__ = "results"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    body: Mapped[str]


class ObjectRow(Base):
    """A DICOM object that a run left in the archive."""

    __tablename__ = "objects"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    writer: Mapped[str]
    sop_class_uid: Mapped[str]
    sop_instance_uid: Mapped[str]
    series_instance_uid: Mapped[str]


class DeliveryState(StrEnum):
    """The life of a delivery; WITHDRAWN where its run was superseded before it was sent."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    WITHDRAWN = "WITHDRAWN"


class DeliveryRow(Base):
    """One object on its way to one destination."""

    __tablename__ = "deliveries"
    __table_args__ = (UniqueConstraint("run_id", "destination", "sop_instance_uid"),)

    delivery_id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"))
    destination: Mapped[str]
    sop_instance_uid: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    message: Mapped[str]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    planned_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class PostRow(Base):
    """An object that the archive does not hold, until every destination has it."""

    __tablename__ = "posts"

    sop_instance_uid: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class WishRow(Base):
    """A destination, and a writer whose objects it gets."""

    __tablename__ = "wishes"

    destination: Mapped[str] = mapped_column(primary_key=True)
    writer: Mapped[str] = mapped_column(primary_key=True)


class TransitionRow(Base):
    """One change of state; append-only. ``run_id`` is None for a study without a run."""

    __tablename__ = "transitions"

    transition_id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(
        ForeignKey("studies.study_instance_uid"), index=True
    )
    run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.run_id"))
    from_state: Mapped[RunState]
    to_state: Mapped[RunState]
    at: Mapped[datetime]
    actor: Mapped[str]
    reason: Mapped[str]


class StageRow(Base):
    """When a stage of a run ended, in its latest attempt."""

    __tablename__ = "stage_marks"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    stage: Mapped[Stage] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class AssessmentRow(Base):
    """A reader's verdict on one report; ``shown_user`` is what people call him."""

    __tablename__ = "assessments"

    assessment_id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(
        ForeignKey("studies.study_instance_uid"), index=True
    )
    report_sop_instance_uid: Mapped[str]
    verdict: Mapped[str]
    finding: Mapped[str | None]
    comment: Mapped[str]
    user: Mapped[str] = mapped_column()
    assessed_at: Mapped[datetime]
    shown_user: Mapped[str] = column_property(
        func.coalesce(
            select(SiteUserRow.name).where(SiteUserRow.subject == user).scalar_subquery(), user
        )
    )


class CursorRow(Base):
    """How far a reader of somebody else's log has come."""

    __tablename__ = "cursors"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class SteppedOverRow(Base):
    """An entry of the archive's change log that could not be followed, and when to look again."""

    __tablename__ = "stepped_over"

    kind: Mapped[str] = mapped_column(primary_key=True)
    orthanc_id: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]


class ServedModelRow(Base):
    """A model that a worker knows, and its last sign of life."""

    __tablename__ = "served_models"

    kind: Mapped[StudyKind] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[ModelState]
    version: Mapped[str]
    weights_sha256: Mapped[str]
    card: Mapped[str]
    ready: Mapped[bool] = mapped_column(Boolean)
    message: Mapped[str]
    device: Mapped[str]
    seen_at: Mapped[datetime]


class WorkerRow(Base):
    """A worker process, and the last that it said of itself."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    ready: Mapped[bool] = mapped_column(Boolean)
    message: Mapped[str]
    device: Mapped[str]
    seen_at: Mapped[datetime]


class ShadowRow(Base):
    """What a model in the shadow made of a reported run."""

    __tablename__ = "shadow_readings"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.run_id"), primary_key=True)
    model_name: Mapped[str]
    model_version: Mapped[str]
    model_sha256: Mapped[str]
    state: Mapped[ShadowState]
    priority: Mapped[Priority | None]
    elapsed_ms: Mapped[float | None] = mapped_column(Float)
    error: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ShadowFindingRow(Base):
    """One label's result in the shadow, in the order of the card."""

    __tablename__ = "shadow_findings"

    run_id: Mapped[str] = mapped_column(ForeignKey("shadow_readings.run_id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str]
    probability: Mapped[float] = mapped_column(Float)
    threshold: Mapped[float] = mapped_column(Float)
    presence: Mapped[Presence]
