"""What the API takes and gives, for its description in OpenAPI; domain values do the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dicom_node.domain import (
    Delivery,
    ModelState,
    ObjectRef,
    Role,
    RunState,
    RunSummary,
    StudyKind,
    WorklistItem,
)
from dicom_node.ledger import HistoryDay

Verdict = Literal["accept", "reject", "amend"]


class RunWish(BaseModel):
    """The body of a request for a run."""

    model_config = ConfigDict(extra="forbid", strict=True)

    force: bool = Field(default=False, description="read again even if a report stands")


class Judgement(BaseModel):
    """The body of an assessment."""

    model_config = ConfigDict(extra="forbid", strict=True)

    verdict: Verdict
    finding: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="label of the finding that the verdict is about; null: all"
    )
    comment: str = Field(default="", max_length=4000)


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """Who is logged in; ``open`` where the node asks nobody who he is."""

    user: str
    role: Role
    open: bool


@dataclass(frozen=True, slots=True)
class WorklistAnswer:
    """The worklist in reading order."""

    items: tuple[WorklistItem, ...]
    generated_at: datetime


@dataclass(frozen=True, slots=True)
class BoardItem(WorklistItem):
    """A worklist item with its group in the reading order, and when it overtakes.

    ``bound_min`` counts from ``received_at``; null where the study is first already, or done.
    """

    place: str
    bound_min: float | None


@dataclass(frozen=True, slots=True)
class BoardAnswer:
    """What the worklist page shows: the first of the ``matching`` studies, and counts.

    ``states`` counts what passes all filters but that of the state; ``total`` counts everything.
    ``notice`` is what everybody should know, as that no image is taken now; mostly empty.
    """

    items: tuple[BoardItem, ...]
    matching: int
    total: int
    states: Mapping[RunState, int]
    modalities: tuple[str, ...]
    generated_at: datetime
    notice: str


@dataclass(frozen=True, slots=True)
class HistoryAnswer:
    """What happened day by day, oldest first."""

    days: tuple[HistoryDay, ...]
    generated_at: datetime


@dataclass(frozen=True, slots=True)
class StudyAnswer(WorklistItem):
    """A worklist item with its history, newest first; times in seconds since received."""

    runs: tuple[RunSummary, ...]
    reports: tuple[ObjectRef, ...]
    heatmaps: tuple[ObjectRef, ...]
    deliveries: tuple[Delivery, ...]
    timings: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """The run that answers a request, and the study's item; a refused study may have no run."""

    run: RunSummary | None
    item: WorklistItem


@dataclass(frozen=True, slots=True)
class Part:
    """The health of one part of the node."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """Whether the node can do its work, and all of it.

    ``degraded`` where a part is not well; ``shadow`` and a single ``worker NAME`` have no say in
    ``ready``.
    """

    ready: bool
    degraded: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class NodeState:
    """The node's own state, as an event tells it.

    ``parts`` are those of ``/ai/health``, with a ``message`` where one cannot do its work.
    ``notice`` is what everybody should know, as that no image is taken now; mostly empty.
    """

    ready: bool
    notice: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """The data of one server-sent event.

    ``studies`` are the Study Instance UIDs of the rows that have come, gone, changed, or moved in
    the reading order; with ``everything`` any row may have. ``node`` is its state now.
    """

    studies: tuple[str, ...]
    everything: bool
    node: NodeState


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A model that the workers know, with its card; only a served one speaks in reports."""

    kind: StudyKind
    state: ModelState
    name: str
    version: str
    weights_sha256: str
    ready: bool
    message: str
    device: str
    seen_at: datetime
    card: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ModelsAnswer:
    """The models that the workers know."""

    models: tuple[ModelAnswer, ...]
