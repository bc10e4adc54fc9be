"""Read one study: select, gate, classify. No server, no ledger: ``analyze`` uses it too."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from dicom_node import uids
from dicom_node.domain import (
    Finding,
    Heatmap,
    InstanceRef,
    Prediction,
    Priority,
    Sample,
    Stage,
    StudyKind,
)
from dicom_node.errors import StudyRefused
from dicom_node.pixels.digest import image_digest
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.select import select
from dicom_node.policy import Policy
from dicom_node.ports import Runtime
from dicom_node.worklist.priority import prioritise

StageTimer = Callable[[Stage], AbstractContextManager[None]]
"""Brackets the work of one stage; on a clean exit the stage is marked."""

_URGENCY = {priority: rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What was read of a study, and what it says; ``evidence`` begins with the key image.

    ``samples`` are all that the gate passed, corrected as the model saw them.
    """

    prediction: Prediction
    priority: Priority
    priority_reason: str
    evidence: tuple[InstanceRef, ...]
    notes: tuple[str, ...]
    samples: tuple[Sample, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings in the order of the card."""
        return self.prediction.findings

    @property
    def heatmaps(self) -> tuple[Heatmap, ...]:
        """Return the heatmaps of the prediction."""
        return self.prediction.heatmaps


def read(
    kind: StudyKind,
    instances: Sequence[Loaded],
    runtime: Runtime,
    policy: Policy,
    during: StageTimer,
) -> Reading:
    """Read the study's eligible instances; of several films the most urgent one speaks.

    Raises StudyRefused where nothing may be read, ModelError where the model fails.
    """
    with during(Stage.DECODE):
        selection = select(kind, instances, policy.limits)
    notes = tuple(f"Not read: {refusal.reason}" for _, refusal in selection.refusals)
    with during(Stage.GATE):
        samples, refused = _passed(kind, selection.samples, runtime)
    notes += tuple(f"Not read: {refusal.reason}" for refusal in refused)
    with during(Stage.INFER):
        classifier = runtime.classifier(kind)
        reading = spoken(samples, [classifier.predict(s) for s in samples], policy)
    return replace(reading, notes=tuple(dict.fromkeys(reading.notes + notes)))


def spoken(samples: Sequence[Sample], predictions: Sequence[Prediction], policy: Policy) -> Reading:
    """Return what a model says of a study: of several films the most urgent one speaks."""
    readings = [_reading(s, p, policy) for s, p in zip(samples, predictions, strict=True)]
    first = min(readings, key=_by_urgency)
    others = tuple(r.evidence[0] for r in readings if r is not first)
    return replace(first, evidence=first.evidence + others, samples=tuple(samples))


def evidence_digest(reading: Reading, loaded: Sequence[Loaded]) -> str:
    """Hash what a reading rests on: other images of the study change nothing about it."""
    datasets = {one.ref.sop_instance_uid: one.dataset for one in loaded}
    return uids.unordered_digest(
        (ref.sop_instance_uid, image_digest(datasets[ref.sop_instance_uid]))
        for ref in reading.evidence
    )


def _passed(
    kind: StudyKind, samples: Sequence[Sample], runtime: Runtime
) -> tuple[list[Sample], list[StudyRefused]]:
    """Ask the gate about each sample; raise its first refusal where none passes."""
    gate = runtime.gate(kind)
    passed: list[Sample] = []
    refused: list[StudyRefused] = []
    for sample in samples:
        try:
            passed.append(gate.check(sample))
        except StudyRefused as exc:
            refused.append(exc)
    if not passed:
        raise refused[0]
    return passed, refused


def _reading(sample: Sample, prediction: Prediction, policy: Policy) -> Reading:
    priority, reason = prioritise(prediction.findings, policy)
    return Reading(
        prediction=prediction,
        priority=priority,
        priority_reason=reason,
        evidence=_key_first(sample, prediction),
        notes=sample.notes + prediction.notes,
        samples=(sample,),
    )


def _key_first(sample: Sample, prediction: Prediction) -> tuple[InstanceRef, ...]:
    """Order the sources: that which the findings point at, then those that carry them, the most
    telling first, then the rest as it lies."""
    key = prediction.findings[0].region.sop_instance_uid
    carrying = (heatmap.source.sop_instance_uid for heatmap in prediction.heatmaps)
    places = {uid: place for place, uid in enumerate(dict.fromkeys((key, *carrying)))}
    return tuple(sorted(sample.sources, key=lambda r: places.get(r.sop_instance_uid, len(places))))


def _by_urgency(reading: Reading) -> tuple[int, float]:
    strongest = max((f.probability for f in reading.findings if f.label != "normal"), default=0.0)
    return _URGENCY[reading.priority], -strongest
