"""The warm, verified models of one process."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Final, cast

import torch

from dicom_node import log
from dicom_node.domain import ModelState, ServedModel, StudyKind
from dicom_node.errors import DeviceLost, ModelNotFound
from dicom_node.ports import Classifier, Gate
from dicom_node.settings import ModelSettings
from models import catalogue, cores, graph, registry, served
from models.catalogue import Catalogue
from models.gate.model import Gates
from models.registry import Entry
from models.served import Served

GATE: Final = "gate"
_SUM: Final = 8.0


def limit_threads() -> None:
    """Give torch half the cores that this process may use, at least one.

    The networks are small, and other processes of the node need the machine too: with as many
    threads as cores and other load, threads wait for one another at every layer (one film:
    1,600 ms instead of 36 ms, measured on a busy two-core machine).
    """
    torch.set_num_threads(max(1, cores.usable() // 2))


def device_for(wanted: str) -> str:
    """Return cpu or cuda for auto, cpu or cuda; raise ModelNotFound where cuda is missing."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ModelNotFound("NODE_DEVICE is cuda, but torch sees no CUDA device; use auto or cpu")
    return "cuda" if wanted in {"auto", "cuda"} and available else "cpu"


def opened(entry: Entry, device: str) -> Served:
    """Load one model, verify weights and golden prediction, and return it.

    Raises WeightsMismatch, GoldenMismatch or ModelError.
    """
    started = perf_counter()
    model = registry.open_model(entry, device)
    served.verify(model, entry.folder)
    log.get().info(
        "model ready",
        model=model.card.name,
        version=model.card.version,
        sha256=model.card.weights.sha256,
        device=device,
        elapsed_ms=round(1000 * (perf_counter() - started)),
    )
    return model


class ModelRuntime:
    """Gate and served classifiers, loaded once; implements `dicom_node.ports.Runtime`."""

    def __init__(self, gates: Gates, classifiers: Mapping[StudyKind, Served], device: str) -> None:
        self._gates = gates
        self._classifiers = classifiers
        self._device = device

    @property
    def device(self) -> str:
        """Where the models run: cpu or cuda."""
        return self._device

    def probe(self) -> None:
        """Ask the device for a small sum; raise DeviceLost where it gives none."""
        try:
            found = float(torch.ones(8, device=self._device).sum())
        except RuntimeError as exc:
            if not graph.is_lost(exc):  # somebody else has the memory: that passes
                return
            raise DeviceLost(f"the device {self._device} does not compute any more") from exc
        if found != _SUM:
            raise DeviceLost(f"the device {self._device} computes {found} where it should be 8")

    def gate(self, kind: StudyKind) -> Gate:
        """Return the gate for this kind of study."""
        return self._gates.of(kind)

    def classifier(self, kind: StudyKind) -> Classifier:
        """Return the served model; raises ModelNotFound."""
        if kind not in self._classifiers:
            raise ModelNotFound(f"no model is served for {kind}; name one in the policy")
        return cast("Classifier", self._classifiers[kind])

    def served(self) -> tuple[ServedModel, ...]:
        """Return what this process serves, for the ledger: card as JSON, device, time."""
        return tuple(
            verified(kind, model, ModelState.SERVED, self._device)
            for kind, model in self._classifiers.items()
        )


def verified(kind: StudyKind, model: Served, state: ModelState, device: str) -> ServedModel:
    """Return what the ledger keeps of a model that is loaded and sound."""
    return ServedModel(
        kind=kind,
        identity=model.card.identity,
        card=model.card.model_dump_json(),
        ready=True,
        message="weights and golden prediction verified",
        device=device,
        seen_at=datetime.now(UTC),
        state=state,
    )


def load(
    device: str, policy_models: Mapping[StudyKind, str], site: Sequence[ModelSettings] = ()
) -> ModelRuntime:
    """Load gate and served models onto ``device`` (auto, cpu or cuda), verified and warm.

    The golden prediction takes the served path from end to end, so it warms each model up.
    ``site`` are models that the policy may name beside the shipped ones.

    Raises ModelNotFound, WeightsMismatch, GoldenMismatch or ModelError: then nothing is served.
    """
    place = device_for(device)
    limit_threads()
    models = catalogue.build(site)
    gates = opened(models.entry(GATE), place)
    if not isinstance(gates, Gates):
        raise ModelNotFound(f"the registry's entry {GATE} is no gate")
    classifiers = {
        kind: opened_classifier(models, kind, name, place) for kind, name in policy_models.items()
    }
    return ModelRuntime(gates, classifiers, place)


def opened_classifier(models: Catalogue, kind: StudyKind, name: str, device: str) -> Served:
    """Load the model that the policy names for ``kind``, verified; raise ModelError."""
    models.classifier_card(kind, name)
    return opened(models.entry(name), device)
