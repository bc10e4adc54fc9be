"""Routes for whoever runs the node: health, metrics, models."""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic import TypeAdapter

from dicom_node.api.answers import HealthAnswer, ModelAnswer, ModelsAnswer, Part
from dicom_node.api.services import Node, Probe, Services
from dicom_node.domain import ModelState, RunState, ServedModel, StudyKind, WorkerSign
from dicom_node.errors import LedgerUnavailable, ModelNotFound, NodeError, QueueUnavailable
from dicom_node.intake.reconcile import SWEPT
from dicom_node.ledger import Counts

SIGN_OF_LIFE: Final = timedelta(seconds=60)

_SHADOW: Final = "shadow"
_ONE_WORKER: Final = "worker "
_HEALTH: TypeAdapter[HealthAnswer] = TypeAdapter(HealthAnswer)
_MODELS: TypeAdapter[ModelsAnswer] = TypeAdapter(ModelsAnswer)

router = APIRouter(prefix="/ai", tags=["monitor"])


@router.get(
    "/health",
    response_model=HealthAnswer,
    responses={HTTPStatus.SERVICE_UNAVAILABLE.value: {"model": HealthAnswer}},
)
def health(node: Node) -> JSONResponse:
    """Tell for each part whether it can do its work; 503 where one cannot.

    A shadow that cannot read, and a worker beside another that does, are told and leave the node
    ready, but degraded: nobody waits for them.
    """
    found = parts(node)
    degraded = not all(part.ok for part in found)
    answer = HealthAnswer(ready=is_ready(found), degraded=degraded, parts=found)
    status = HTTPStatus.OK if answer.ready else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(
        _HEALTH.dump_python(answer, mode="json"), status, {"Cache-Control": "no-store"}
    )


def parts(node: Services) -> tuple[Part, ...]:
    """Ask each part of the node how it is."""
    probes = {
        **node.probes,
        "ledger": lambda: _ledger(node),
        "intake": lambda: _intake(node),
        "worker": lambda: _worker(node),
        "disk": lambda: _disk(node),
    }
    if node.policy.shadow:
        probes[_SHADOW] = lambda: _shadow(node)
    asked = tuple(_part(name, probe) for name, probe in probes.items())
    return (*asked, *_unfit_workers(node))


def is_ready(found: Iterable[Part]) -> bool:
    """Tell whether the node can do its work; a shadow and a single worker have no say in that."""
    return all(part.ok for part in found if not _is_beside(part.name))


def _is_beside(name: str) -> bool:
    return name == _SHADOW or name.startswith(_ONE_WORKER)


@router.get("/models", response_model=ModelsAnswer)
def models(node: Node) -> JSONResponse:
    """List the models that the workers know, with their cards: served, shadow, registered."""
    known = node.ledger.studies.published_models()
    answer = ModelsAnswer(tuple(_model(model) for model in known))
    return JSONResponse(_MODELS.dump_python(answer, mode="json"))


@router.get("/metrics", response_class=Response)
def metrics(node: Node) -> Response:
    """Answer in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    models = node.ledger.studies.published_models()
    registry.register(LedgerCollector(node.ledger.queries.counts(), models))
    registry.register(RoomCollector(node))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class LedgerCollector(Collector):
    """Figures that the ledger counted, as Prometheus' families."""

    def __init__(self, counts: Counts, models: Iterable[ServedModel]) -> None:
        self._counts = counts
        self._published = tuple(models)

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        counts = self._counts
        states = {state.value: counts.studies.get(state, 0) for state in RunState}
        yield _gauge("studies", "Studies by state", states)
        states = {state.value: counts.runs.get(state, 0) for state in RunState}
        yield _gauge("runs", "Runs by state", states)
        yield _gauge("deliveries", "Deliveries by state", counts.deliveries)
        yield GaugeMetricFamily(
            "dicom_node_oldest_queued_seconds",
            "Age of the oldest queued run, 0 without one",
            counts.oldest_queued_s,
        )
        buckets = [(str(bound), float(n)) for bound, n in counts.turnaround.items()]
        yield HistogramMetricFamily(
            "dicom_node_turnaround_seconds",
            "From received (a later run: asked for) to reported",
            buckets=[*buckets, ("+Inf", float(counts.turnaround_count))],
            sum_value=counts.turnaround_sum_s,
        )
        yield from self._models()

    def _models(self) -> Iterator[Metric]:
        info = InfoMetricFamily("dicom_node_model", "Served models", labels=["kind"])
        fit = {
            ModelState.SERVED: GaugeMetricFamily(
                "dicom_node_model_ready", "1 where the served model is fit", labels=["kind"]
            ),
            ModelState.SHADOW: GaugeMetricFamily(
                "dicom_node_shadow_ready", "1 where the model in the shadow is fit", labels=["kind"]
            ),
        }
        for model in self._published:
            identity = model.identity
            if model.state is ModelState.SERVED:
                names = {"name": identity.name, "version": identity.version}
                sha256 = {"weights_sha256": identity.weights_sha256}
                info.add_metric([model.kind.value], names | sha256)
            if model.state in fit:
                fit[model.state].add_metric([model.kind.value], float(model.ready))
        yield info
        yield from fit.values()


class RoomCollector(Collector):
    """Whether images are taken, and the space that is left for them."""

    def __init__(self, node: Services) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        taken = not self._node.room.refusal()
        yield GaugeMetricFamily("dicom_node_intake_open", "1 where images are taken", int(taken))
        try:
            free = shutil.disk_usage(self._node.settings.root).free
        except OSError:  # the health check says so; a scrape has no word for it
            return
        yield GaugeMetricFamily("dicom_node_disk_free_bytes", "Free on NODE_HOME's disk", free)


def _gauge(name: str, text: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"dicom_node_{name}", text, labels=["state"])
    for state, value in values.items():
        family.add_metric([state], value)
    return family


def _published(node: Services, state: ModelState) -> dict[StudyKind, ServedModel]:
    """Return the published models in one state; there is at most one for each kind."""
    models = node.ledger.studies.published_models()
    return {model.kind: model for model in models if model.state is state}


def _model(served: ServedModel) -> ModelAnswer:
    return ModelAnswer(
        kind=served.kind,
        state=served.state,
        name=served.identity.name,
        version=served.identity.version,
        weights_sha256=served.identity.weights_sha256,
        ready=served.ready,
        message=served.message,
        device=served.device,
        seen_at=served.seen_at,
        card=json.loads(served.card),
    )


def _part(name: str, probe: Probe) -> Part:
    try:
        return Part(name, ok=True, message=probe())
    except NodeError as exc:
        return Part(name, ok=False, message=str(exc))


def _ledger(node: Services) -> str:
    node.ledger.ping()
    return "answers"


def _intake(node: Services) -> str:
    """Raise QueueUnavailable unless a sweep has come to its end of late."""
    swept = datetime.fromtimestamp(node.ledger.studies.cursor(SWEPT), UTC)
    silent_s = (node.clock() - swept).total_seconds()
    if silent_s > SIGN_OF_LIFE.total_seconds():
        raise QueueUnavailable("no sweep has come to its end for a minute; see intake's log")
    passed_by = len(node.ledger.studies.stepped_over())
    beside = f"; Orthanc cannot tell of {passed_by} entries of its log" if passed_by else ""
    return f"swept {silent_s:.0f} s ago{beside}"


def _worker(node: Services) -> str:
    """Raise ModelNotFound unless a live worker takes studies, with each model of the policy."""
    served, now = _published(node, ModelState.SERVED), node.clock()
    known = node.ledger.workers.known(now)
    if known and all(_unfit(one, now) for one in known):
        raise ModelNotFound("; ".join(f"{one.name}: {_unfit(one, now)}" for one in known))
    _require(node.policy.models, served, now, "the model for")
    return "serves " + ", ".join(f"{m.identity.name} ({m.device})" for m in served.values())


def _unfit_workers(node: Services) -> tuple[Part, ...]:
    """Name each worker that takes no study; none where the ledger is away, which is told."""
    now = node.clock()
    try:
        known = node.ledger.workers.known(now)
    except NodeError:
        return ()
    return tuple(
        Part(f"{_ONE_WORKER}{one.name}", ok=False, message=f"degraded: {reason}")
        for one in known
        if (reason := _unfit(one, now))
    )


def _unfit(worker: WorkerSign, now: datetime) -> str:
    """Return why a worker takes no study, '' where it takes some."""
    silent = now - worker.seen_at
    if silent > SIGN_OF_LIFE:
        return f"no sign of life for {silent.total_seconds():.0f} s"
    return "" if worker.ready else worker.message


def _shadow(node: Services) -> str:
    """Raise ModelNotFound unless each shadow of the policy can read."""
    shadows = _published(node, ModelState.SHADOW)
    _require(node.policy.shadow, shadows, node.clock(), "the shadow model for")
    return "reads " + ", ".join(f"{m.identity.name} ({m.device})" for m in shadows.values())


def _require(
    kinds: Iterable[StudyKind],
    published: Mapping[StudyKind, ServedModel],
    now: datetime,
    what: str,
) -> None:
    faults = [_fault(f"{what} {kind}", published.get(kind), now) for kind in sorted(kinds)]
    if found := "; ".join(fault for fault in faults if fault):
        raise ModelNotFound(found)


def _fault(what: str, model: ServedModel | None, now: datetime) -> str:
    if model is None:
        return f"no worker has ever loaded {what}"
    if not model.ready:
        return f"{what} is not fit: {model.message}"
    if now - model.seen_at > SIGN_OF_LIFE:
        silent_s = (now - model.seen_at).total_seconds()
        return f"no sign of life of {what} for {silent_s:.0f} s"
    return ""


def _disk(node: Services) -> str:
    """Raise LedgerUnavailable where NODE_HOME is not there, or there is no room for images."""
    try:
        free = shutil.disk_usage(node.settings.root).free
    except OSError as exc:
        raise LedgerUnavailable(f"NODE_HOME cannot be looked at: {exc.strerror}") from exc
    if refusal := node.room.refusal():
        raise LedgerUnavailable(refusal)
    return f"{free / 1e9:.1f} GB free"
