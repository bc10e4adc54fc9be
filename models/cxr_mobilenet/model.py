"""The shipped chest film model: four findings with Grad-CAM from one forward pass."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dicom_node.domain import (
    Box,
    Finding,
    Heatmap,
    ModelIdentity,
    Prediction,
    Presence,
    Region,
    Sample,
    StudyKind,
)
from models import explain, golden, imaging, weights
from models.backbone import MobileNet
from models.card import ModelCard
from models.explain import Evidence
from models.graph import Graph, softmax
from models.imaging import Float

_UNLOCALISED = "normal"
"""The label that has no place of its own in the image."""


class CxrMobileNet:
    """Reads one film; see the card for what that is worth."""

    def __init__(self, card: ModelCard, graph: Graph, head: Float) -> None:
        self._card = card
        self._graph = graph
        self._head = head

    @property
    def card(self) -> ModelCard:
        """Return the model's card."""
        return self._card

    @property
    def identity(self) -> ModelIdentity:
        """Return which weights these are."""
        return self._card.identity

    @property
    def kind(self) -> StudyKind:
        """Return what this model reads."""
        return self._card.kind

    def probabilities(self, pixels: Float) -> tuple[Float, Float, Box]:
        """Return probabilities (labels,), feature maps and the box that the network saw."""
        film = imaging.canonical(pixels)
        logits, maps = self._graph(imaging.cut(film)[np.newaxis])
        return softmax(logits[0], self._card.temperature), maps[0], imaging.seen(film.box)

    def predict(self, sample: Sample) -> Prediction:
        """Read a film that the gate has passed; raises InferenceFailed."""
        probabilities, maps, box = self.probabilities(sample.pixels)
        evidence = [
            explain.grad_cam(maps, explain.relative(self._head, index), box)
            for index in range(len(self._card.labels))
        ]
        findings = tuple(
            self._finding(sample, index, float(probabilities[index]), evidence[index])
            for index in range(len(self._card.labels))
        )
        return Prediction(
            model=self.identity,
            findings=findings,
            heatmaps=self._heatmaps(sample, findings, evidence),
            notes=sample.notes,
            parameters={
                "temperature": f"{self._card.temperature:.4f}",
                "evidence": "Grad-CAM on the last convolution, one forward pass",
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
        self, sample: Sample, findings: tuple[Finding, ...], evidence: list[Evidence]
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


def load(folder: Path, card: ModelCard, device: str) -> CxrMobileNet:
    """Load verified weights; raises WeightsMismatch."""
    network = MobileNet(len(card.labels))
    weights.fill(network, weights.read(folder, card.weights), card.weights.file)
    head: Float = network.head.weight.detach().numpy().copy()
    return CxrMobileNet(card, Graph(network, device), head)
