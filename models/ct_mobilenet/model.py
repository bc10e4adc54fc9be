"""The shipped CT model: evidence of single lung slices, gathered into one series finding."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

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
from dicom_node.errors import InferenceFailed
from models import explain, golden, imaging, lungs, weights
from models.backbone import MobileNet
from models.card import ModelCard
from models.ct_mobilenet import preprocess, series
from models.explain import Evidence
from models.graph import Graph, softmax
from models.imaging import Float

_BATCH: Final = 8
_HEATMAPS: Final = 3
_COVID: Final = 1
"""Index of the network's output for COVID-19; output 0 is everything else."""
_OUTPUTS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """The slices that were read: index in the series, probability, maps, box seen."""

    index: NDArray[np.int64]
    probability: Float
    maps: tuple[Float, ...]
    boxes: tuple[Box, ...]


class CtMobileNet:
    """Reads one chest CT series; see the card for what that is worth."""

    def __init__(self, card: ModelCard, graph: Graph, head: Float) -> None:
        self._card = card
        self._graph = graph
        self._weights = explain.relative(head, _COVID)

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

    def read(self, sample: Sample) -> Slices:
        """Read the lung slices of a series; raises InferenceFailed where there is none."""
        found = lungs.find(sample)
        index = series.spread(found.slices(series.LEAST_SHARE), series.MOST_SLICES)
        if index.size == 0:
            raise InferenceFailed("the series has no lung slice; the gate should have refused it")
        images, boxes = [], []
        for one in index:
            plane = preprocess.windowed(sample.pixels[one])
            squared = imaging.squared(plane, found.box(int(one), preprocess.MARGIN))
            images.append(imaging.cut(squared))
            boxes.append(imaging.seen(squared.box))
        logits: list[Float] = []
        maps: list[Float] = []
        for start in range(0, len(images), _BATCH):
            out, seen = self._graph(np.stack(images[start : start + _BATCH]))
            logits.append(out)
            maps.extend(seen)
        p = softmax(np.concatenate(logits), self._card.temperature)[:, _COVID]
        return Slices(index, p, tuple(maps), tuple(boxes))

    def predict(self, sample: Sample) -> Prediction:
        """Read a series that the gate has passed; raises InferenceFailed."""
        slices = self.read(sample)
        carrying = series.carrying(slices.probability)
        return Prediction(
            model=self.identity,
            findings=(self._finding(sample, slices, int(carrying[0])),),
            heatmaps=tuple(self._heatmap(sample, slices, int(n)) for n in carrying[:_HEATMAPS]),
            notes=(*sample.notes, _statement(sample, slices, carrying)),
            parameters=self._parameters(sample, slices, carrying),
        )

    def _finding(self, sample: Sample, slices: Slices, best: int) -> Finding:
        """Return the series finding, placed on the slice that carries most of it."""
        label = self._card.labels[0]
        probability = series.probability(slices.probability)
        presence = label.presence(probability)
        rows, columns = sample.pixels.shape[1:]
        place = Box(0, 0, columns, rows)
        if presence is not Presence.ABSENT:
            place = explain.region(self._evidence(slices, best), rows, columns)
        source = sample.sources[int(slices.index[best])]
        return Finding(
            label=label.label,
            code=label.code,
            probability=probability,
            threshold=label.threshold,
            presence=presence,
            region=Region(source.sop_instance_uid, place),
        )

    def _heatmap(self, sample: Sample, slices: Slices, position: int) -> Heatmap:
        index = int(slices.index[position])
        rows, columns = sample.pixels.shape[1:]
        return Heatmap(
            label=self._card.labels[0].label,
            source=sample.sources[index],
            weights=explain.heatmap(self._evidence(slices, position), rows, columns),
            image=preprocess.windowed(sample.pixels[index]),
        )

    def _evidence(self, slices: Slices, position: int) -> Evidence:
        return explain.grad_cam(slices.maps[position], self._weights, slices.boxes[position])

    def _parameters(
        self, sample: Sample, slices: Slices, carrying: NDArray[np.int64]
    ) -> dict[str, str]:
        threshold = self._card.labels[0].threshold
        return {
            "temperature": f"{self._card.temperature:.4f}",
            "window": "-1350 to 150 HU",
            "slices": str(len(sample.pixels)),
            "lung_slices_read": str(len(slices.index)),
            "lung_slices_above_threshold": str(int((slices.probability >= threshold).sum())),
            "carrying_slices": " ".join(str(slices.index[one] + 1) for one in carrying),
            "series_rule": f"mean of the upper {series.CARRYING_PART:.0%} of lung slices",
            "evidence": "Grad-CAM on the last convolution, one forward pass",
        }

    def golden(self) -> Mapping[str, float]:
        """Return series and slice probabilities of the golden series."""
        slices = self.read(golden.series())
        return {
            "covid19": series.probability(slices.probability),
            "lowest_slice": float(slices.probability.min()),
            "lung_slices": float(len(slices.index)),
        }


def _statement(sample: Sample, slices: Slices, carrying: NDArray[np.int64]) -> str:
    numbers = ", ".join(str(slices.index[one] + 1) for one in sorted(carrying))
    return (
        f"{len(slices.index)} lung slices of {len(sample.pixels)} were read; the series "
        f"probability is the mean over the {len(carrying)} most suspicious ones "
        f"(slices {numbers}, counted by position)."
    )


def load(folder: Path, card: ModelCard, device: str) -> CtMobileNet:
    """Load verified weights; raises WeightsMismatch."""
    network = MobileNet(_OUTPUTS)
    weights.fill(network, weights.read(folder, card.weights), card.weights.file)
    head: Float = network.head.weight.detach().numpy().copy()
    return CtMobileNet(card, Graph(network, device), head)
