"""The shipped chest film model: four findings from the lungs alone, with Grad-CAM.

The lungs are outlined first (`models.cxr_lungs`), the film is cut to them and everything else is
blackened; one forward pass of it and its mirror image then gives probabilities and evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from dicom_node.domain import (
    Box,
    Finding,
    Heatmap,
    Prediction,
    Presence,
    Region,
    Sample,
)
from models import explain, golden, registry, weights
from models.card import ModelCard
from models.carded import Carded
from models.cxr_lite import preprocess
from models.cxr_lite.network import blank
from models.cxr_lungs import fields
from models.cxr_lungs.model import CxrLungs
from models.explain import Evidence
from models.graph import Graph, softmax
from models.imaging import Float

_UNLOCALISED = "normal"
"""The label that has no place of its own in the image."""
LUNGS = "cxr-lungs"
"""The model that outlines the lungs."""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the network makes of one film: probabilities (labels,) and evidence for each."""

    probabilities: Float
    evidence: tuple[Evidence, ...]
    lungs: fields.LungFields


class CxrLite(Carded):
    """Reads one film; see the card for what that is worth."""

    def __init__(self, card: ModelCard, lungs: CxrLungs, graph: Graph, head: Float) -> None:
        super().__init__(card)
        self._lungs = lungs
        self._graph = graph
        self._head = head

    def read(self, pixels: Float) -> Reading:
        """Read a film (rows, columns), 0 to 1; raises InferenceFailed."""
        lungs = self._lungs.find(pixels)
        view = fields.view(pixels, lungs)
        logits, maps = self._graph(preprocess.network_input(view)[np.newaxis])
        probabilities = softmax(logits[0], self._card.temperature)
        evidence = tuple(
            explain.grad_cam(maps[0], explain.relative(self._head, index), view.box)
            for index in range(len(self._card.labels))
        )
        return Reading(probabilities, evidence, lungs)

    def predict(self, sample: Sample) -> Prediction:
        """Read a film that the gate has passed; raises InferenceFailed."""
        reading = self.read(sample.pixels)
        findings = tuple(
            self._finding(sample, index, float(reading.probabilities[index]), evidence)
            for index, evidence in enumerate(reading.evidence)
        )
        return Prediction(
            model=self.identity,
            findings=findings,
            heatmaps=self._heatmaps(sample, findings, reading.evidence),
            notes=(*sample.notes, *_remarks(reading.lungs)),
            parameters={
                "temperature": f"{self._card.temperature:.4f}",
                "lungs": f"{self._lungs.card.name} {self._lungs.card.version}",
                "evidence": "Grad-CAM on the last convolution of film and mirror, in the lungs",
                "region": f"strongest connected area above {explain.REGION_LEVEL:g} of the maximum",
            },
        )

    def _finding(
        self, sample: Sample, index: int, probability: float, evidence: Evidence
    ) -> Finding:
        label = self._card.labels[index]
        presence = label.presence(probability)
        rows, columns = sample.pixels.shape
        place = Box(0, 0, columns, rows)
        if label.label != _UNLOCALISED and presence is not Presence.ABSENT:
            place = explain.region(evidence, rows, columns)
        return Finding(
            label=label.label,
            code=label.code,
            probability=probability,
            threshold=label.threshold,
            presence=presence,
            region=Region(sample.sources[0].sop_instance_uid, place),
        )

    def _heatmaps(
        self, sample: Sample, findings: tuple[Finding, ...], evidence: tuple[Evidence, ...]
    ) -> tuple[Heatmap, ...]:
        """Draw the most probable abnormality that is not absent, else the most probable label."""
        shown = [
            index
            for index, finding in enumerate(findings)
            if finding.label != _UNLOCALISED and finding.presence is not Presence.ABSENT
        ] or range(len(findings))
        best = max(shown, key=lambda index: findings[index].probability)
        rows, columns = sample.pixels.shape
        drawn = explain.heatmap(evidence[best], rows, columns)
        return (Heatmap(findings[best].label, sample.sources[0], drawn, sample.pixels),)

    def golden(self) -> Mapping[str, float]:
        """Return the probabilities of the golden film."""
        findings = self.predict(golden.film()).findings
        return {finding.label: finding.probability for finding in findings}


def _remarks(lungs: fields.LungFields) -> tuple[str, ...]:
    """Return what a reader should know of the outline."""
    if not lungs.found:
        return ("The lungs could not be outlined; the whole film was read.",)
    if not lungs.both:
        return ("Only one lung field could be outlined; the other was not read.",)
    return ()


def load(folder: Path, card: ModelCard, device: str) -> CxrLite:
    """Load verified weights and those of the lung finder that the card names.

    Raises WeightsMismatch, also where the lung finder is not the one of the training.
    """
    tensors = weights.read(folder, card.weights)
    network = blank(tensors, len(card.labels))
    weights.fill(network, tensors, card.weights.file)
    lungs = cast("CxrLungs", registry.open_part(card, LUNGS, device))
    head: Float = network.head.weight.detach().numpy().copy()
    return CxrLite(card, lungs, Graph(network, device), head)
