"""The shipped CT model: evidence of single lung slices, gathered into one series finding."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dicom_node import codes
from dicom_node.domain import (
    Box,
    Finding,
    Heatmap,
    Measurement,
    Prediction,
    Presence,
    Region,
    Sample,
)
from dicom_node.errors import InferenceFailed
from models import explain, golden, haze, lungs, weights
from models.card import ModelCard
from models.carded import Carded
from models.ct_lite import preprocess, series
from models.ct_lite.network import SliceCommittee
from models.explain import Evidence
from models.graph import Graph, softmax
from models.haze import Haze
from models.imaging import Float, resize

_BATCH: Final = 8
_COVID: Final = 1
"""Index of the network's output for COVID-19; output 0 is everything else."""


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """The slices that were read.

    ``index`` in the series, ``probability``, ``evidence`` for COVID-19 before it is cut to the
    lungs, ``shown``: how much of each place of the evidence the network saw. ``haze`` of the
    same slices.
    """

    index: NDArray[np.int64]
    probability: Float
    evidence: tuple[Evidence, ...]
    shown: tuple[Float, ...]
    haze: Haze | None


class CtLite(Carded):
    """Reads one chest CT series; see the card for what that is worth."""

    def __init__(self, card: ModelCard, graph: Graph, head: Float) -> None:
        super().__init__(card)
        self._graph = graph
        self._weights = explain.relative(head, _COVID)

    def read(self, sample: Sample) -> Slices:
        """Read the lung slices of a series; raises InferenceFailed where there is none."""
        found = lungs.find(sample)
        index = series.spread(found.slices(series.LEAST_SHARE), series.MOST_SLICES)
        if index.size == 0:
            raise InferenceFailed("the series has no lung slice; the gate should have refused it")
        views = []
        for one in index.tolist():
            plane = sample.pixels[one]
            outline = preprocess.outline(plane, found, one)
            views.append(preprocess.view(preprocess.windowed(plane), outline))
        raw: list[Float] = []
        evidence: list[Evidence] = []
        for start in range(0, len(views), _BATCH):
            batch = views[start : start + _BATCH]
            out, maps = self._graph(np.stack([preprocess.cut(view.pixels) for view in batch]))
            raw.append(out)
            evidence += [
                explain.grad_cam(one, self._weights, preprocess.seen(view.box))
                for one, view in zip(maps, batch, strict=True)
            ]
        return Slices(
            index=index,
            probability=softmax(np.concatenate(raw), self._card.temperature)[:, _COVID],
            evidence=tuple(evidence),
            shown=tuple(
                resize(preprocess.cut(view.shown), *one.coarse.shape)
                for view, one in zip(views, evidence, strict=True)
            ),
            haze=haze.measure(sample, found, index),
        )

    def predict(self, sample: Sample) -> Prediction:
        """Read a series that the gate has passed; raises InferenceFailed."""
        slices = self.read(sample)
        carrying = series.carrying(slices.probability)
        return Prediction(
            model=self.identity,
            findings=(self._finding(sample, slices, int(carrying[0])),),
            heatmaps=tuple(self._heatmap(sample, slices, int(n)) for n in carrying),
            notes=(*sample.notes, _statement(sample, slices, carrying)),
            parameters=self._parameters(sample, slices, carrying),
            measurements=_measurements(sample, slices.haze),
        )

    def _finding(self, sample: Sample, slices: Slices, best: int) -> Finding:
        """Return the series finding, placed on the slice that carries most of it."""
        label = self._card.labels[0]
        probability = series.probability(slices.probability)
        presence = label.presence(probability)
        rows, columns = sample.pixels.shape[1:]
        place = Box(0, 0, columns, rows)
        if presence is not Presence.ABSENT:
            place = explain.region(_inside(slices, best), rows, columns)
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
            weights=explain.heatmap(_inside(slices, position), rows, columns),
            image=preprocess.windowed(sample.pixels[index]),
        )

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
            "evidence": "Grad-CAM on the last convolution, one forward pass, inside the lungs",
        }

    def golden(self) -> Mapping[str, float]:
        """Return series and slice probabilities of the golden series, and its haze."""
        slices = self.read(golden.series())
        return {
            "covid19": series.probability(slices.probability),
            "lowest_slice": float(slices.probability.min()),
            "lung_slices": float(len(slices.index)),
            "haze": slices.haze.share if slices.haze else 0.0,
        }


def _inside(slices: Slices, position: int) -> Evidence:
    return explain.inside(slices.evidence[position], slices.shown[position])


def _measurements(sample: Sample, found: Haze | None) -> tuple[Measurement, ...]:
    if found is None:
        return ()
    source = sample.sources[found.index]
    return (
        Measurement(
            finding=codes.GROUND_GLASS_ATTENUATION,
            quantity=codes.SHARE_OF_LUNG,
            value=round(100.0 * found.share, 2),
            unit=codes.PERCENT,
            region=Region(source.sop_instance_uid, found.box),
            definition=haze.definition(found.slices),
        ),
    )


def _statement(sample: Sample, slices: Slices, carrying: NDArray[np.int64]) -> str:
    numbers = ", ".join(str(slices.index[one] + 1) for one in sorted(carrying))
    return (
        f"{len(slices.index)} lung slices of {len(sample.pixels)} were read; the series "
        f"probability is the mean over the {len(carrying)} most suspicious ones "
        f"(slices {numbers}, counted by position)."
    )


def load(folder: Path, card: ModelCard, device: str) -> CtLite:
    """Load verified weights; raises WeightsMismatch."""
    network = SliceCommittee()
    weights.fill(network, weights.read(folder, card.weights), card.weights.file)
    head: Float = network.head.weight.detach().numpy().copy()
    return CtLite(card, Graph(network, device), head)
