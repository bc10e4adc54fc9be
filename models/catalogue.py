"""The models that a node may name: the shipped ones, and those of the site.

A site's model is a folder (card, weights, golden numbers) that ``NODE_MODELS`` names. It brings
no code: its weights are read by the loader of a shipped model of the same kind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dicom_node.domain import ModelIdentity, ModelState, ServedModel, StudyKind
from dicom_node.errors import ModelError, ModelNotFound
from dicom_node.policy import Policy
from dicom_node.settings import ModelSettings
from models import registry
from models.card import ModelCard
from models.registry import Entry


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Name to entry, the shipped models first; ``faults`` tell what was left out and why."""

    entries: Mapping[str, Entry]
    faults: tuple[str, ...] = ()

    def entry(self, name: str) -> Entry:
        """Return the entry of ``name``; raise ModelNotFound that lists the known names."""
        if name not in self.entries:
            known = f"no model is named {name}; there are: {', '.join(self.entries)}"
            raise ModelNotFound("; NODE_MODELS: ".join((known, *self.faults)))
        return self.entries[name]

    def classifier_card(self, kind: StudyKind, name: str) -> ModelCard:
        """Return the card of a model that reads ``kind``; raise ModelNotFound, ModelError."""
        card = self.entry(name).card()
        if card.role != "classifier" or kind not in card.kinds:
            raise ModelNotFound(f"the policy names {name} for {kind}, but it does not read that")
        return card


def build(site: Sequence[ModelSettings] = ()) -> Catalogue:
    """Return the shipped models and the site's.

    What is wrong with one of the site's leaves that one out: it must not keep the others from
    working. Cards and weights are not looked at.
    """
    entries = dict(registry.MODELS)
    faults = []
    for model in site:
        if model.name in entries:
            faults.append(f"two models are named {model.name}")
        elif model.like not in registry.MODELS:
            faults.append(f"{model.name} is like {model.like}, which is no shipped model")
        else:
            module = registry.MODELS[model.like].module
            entries[model.name] = Entry(model.folder, module, model.name)
    return Catalogue(entries, tuple(faults))


def state(card: ModelCard, policy: Policy) -> ModelState:
    """Return what the policy makes of a model; gates and parts of others are always at work."""
    if card.role != "classifier" or any(
        policy.models.get(kind) == card.name for kind in card.kinds
    ):
        return ModelState.SERVED
    if any(policy.shadow.get(kind) == card.name for kind in card.kinds):
        return ModelState.SHADOW
    return ModelState.REGISTERED


def registered(known: Catalogue, policy: Policy) -> tuple[ServedModel, ...]:
    """Return what the ledger keeps of the classifiers that neither speak nor shadow.

    One whose card cannot be read is left out; `models list` and `doctor` tell of it.
    """
    message = "registered; not loaded by the worker"
    models = []
    for entry in known.entries.values():
        try:
            card = entry.card()
        except ModelError:
            continue
        if state(card, policy) is ModelState.REGISTERED:
            for kind in card.kinds:
                unloaded = unfit(kind, card.identity, message, ModelState.REGISTERED)
                models.append(replace(unloaded, card=card.model_dump_json()))
    return tuple(models)


def unfit(
    kind: StudyKind,
    identity: ModelIdentity,
    message: str,
    state: ModelState = ModelState.SHADOW,
) -> ServedModel:
    """Return what the ledger keeps of a model that cannot read, by default a shadow."""
    return ServedModel(
        kind=kind,
        identity=identity,
        card="{}",
        ready=False,
        message=message,
        device="",
        seen_at=datetime.now(UTC),
        state=state,
    )
