"""Read one study: select, gate, classify. No server, no ledger: ``analyze`` uses it too."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from dicom_node import uids
from dicom_node.domain import (
    Finding,
    Heatmap,
    Images,
    InstanceRef,
    Prediction,
    Priority,
    Reason,
    RefusalCode,
    Sample,
    Stage,
    StudyKind,
    account,
)
from dicom_node.errors import StudyRefused
from dicom_node.pixels.select import select
from dicom_node.policy import Policy
from dicom_node.ports import Runtime
from dicom_node.worklist.priority import prioritise
from worker.coverage import cut_off
from worker.fetching import Fetched

StageTimer = Callable[[Stage], AbstractContextManager[None]]
"""Brackets the work of one stage; on a clean exit the stage is marked."""

_URGENCY = {priority: rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What was read of a study, and what it says; ``evidence`` begins with the key image.

    ``images`` accounts for each image. ``samples`` are all that the gate passed, corrected as the
    model saw them. ``incomplete`` says what of a study has not come, '' where nothing is amiss.
    """

    prediction: Prediction
    priority: Priority
    priority_reason: str
    evidence: tuple[InstanceRef, ...]
    notes: tuple[str, ...]
    samples: tuple[Sample, ...]
    images: Images
    incomplete: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings in the order of the card."""
        return self.prediction.findings

    @property
    def heatmaps(self) -> tuple[Heatmap, ...]:
        """Return the heatmaps of the prediction."""
        return self.prediction.heatmaps


def at_once(cut_off: str) -> None:
    """Wait for nothing that may still come."""
    del cut_off


def read(
    kind: StudyKind,
    fetched: Fetched,
    runtime: Runtime,
    policy: Policy,
    during: StageTimer,
    wait: Callable[[str], None] = at_once,
) -> Reading:
    """Read the study's eligible instances; of several films the most urgent one speaks.

    ``wait`` hears that the lungs are cut off, and may raise StudyIncomplete to have the study read
    later. Raises StudyRefused where nothing may be read, ModelError where the model fails.
    """
    with during(Stage.DECODE):
        selection = select(kind, fetched.loaded, policy.limits)
        cut = cut_off(selection.samples)
    if cut:
        wait(cut)
    with during(Stage.GATE):
        samples, unfit = _passed(kind, selection.samples, runtime)
    with during(Stage.INFER):
        classifier = runtime.classifier(kind)
        reading = spoken(samples, [classifier.predict(s) for s in samples], policy)
    read_uids = {ref.sop_instance_uid for sample in samples for ref in sample.sources}
    images = account(read_uids, {**fetched.left, **selection.left, **unfit})
    cuts = (cut,) if cut else ()
    notes = (*cuts, *reading.notes, *images.sentences())
    return replace(
        reading,
        notes=tuple(dict.fromkeys(notes)),
        images=images,
        incomplete=cut or _gaps(samples),
    )


def with_announced(reading: Reading, missing: str) -> Reading:
    """Return the reading with a note where announced images have not come."""
    if not missing:
        return reading
    incomplete = f"{reading.incomplete} {missing}".strip()
    return replace(reading, notes=(missing, *reading.notes), incomplete=incomplete)


def _gaps(samples: Sequence[Sample]) -> str:
    missing = sum(sample.geometry.gaps for sample in samples)
    return f"Series incomplete: {missing} missing slices." if missing else ""


def spoken(samples: Sequence[Sample], predictions: Sequence[Prediction], policy: Policy) -> Reading:
    """Return what a model says of a study: of several films the most urgent one speaks."""
    readings = [_reading(s, p, policy) for s, p in zip(samples, predictions, strict=True)]
    first = min(readings, key=_by_urgency)
    others = tuple(r.evidence[0] for r in readings if r is not first)
    return replace(first, evidence=first.evidence + others, samples=tuple(samples))


def evidence_digest(reading: Reading, digests: Mapping[str, str]) -> str:
    """Hash what a reading rests on: other images of the study change nothing about it.

    ``digests`` are those of the images, by SOP Instance UID.
    """
    evidence = (ref.sop_instance_uid for ref in reading.evidence)
    return uids.unordered_digest((uid, digests[uid]) for uid in evidence)


def _passed(
    kind: StudyKind, samples: Sequence[Sample], runtime: Runtime
) -> tuple[list[Sample], dict[str, Reason]]:
    """Ask the gate about each sample; raise its first refusal where none passes."""
    gate = runtime.gate(kind)
    passed: list[Sample] = []
    refused: list[StudyRefused] = []
    left: dict[str, Reason] = {}
    for sample in samples:
        try:
            passed.append(gate.check(sample))
        except StudyRefused as exc:
            refused.append(exc)
            reason = Reason(RefusalCode(exc.code), exc.reason)
            left |= {ref.sop_instance_uid: reason for ref in sample.sources}
    if not passed:
        raise refused[0]
    return passed, left


def _reading(sample: Sample, prediction: Prediction, policy: Policy) -> Reading:
    priority, reason = prioritise(prediction.findings, policy)
    return Reading(
        prediction=prediction,
        priority=priority,
        priority_reason=reason,
        evidence=_key_first(sample, prediction),
        notes=sample.notes + prediction.notes,
        samples=(sample,),
        images=account([ref.sop_instance_uid for ref in sample.sources], {}),
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
