"""The film gate: a human chest, frontal, upright, the right way round in grey, and ordinary."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dicom_node.domain import RefusalCode, Sample, StudyKind
from dicom_node.errors import StudyRefused
from models import imaging
from models.card import ModelCard
from models.gate.features import Look
from models.graph import Graph, softmax
from models.imaging import Float

INVERTED_NOTE: Final = (
    "The grey scale contradicted the header (air was bright); the film was inverted before it "
    "was read."
)
_LEAST_SPREAD: Final = 0.02
"""Less spread of grey than this, of the full range, is a blank image."""
_PROBE: Final = 4
_SENTENCES: Final = {
    RefusalCode.BLANK_IMAGE: "The image is blank or almost blank.",
    RefusalCode.NOT_CHEST: "The image does not look like a chest radiograph.",
    RefusalCode.NOT_FRONTAL: "The image looks like a lateral chest radiograph, not a frontal one.",
    RefusalCode.NOT_UPRIGHT: "The chest lies turned in the image; it must be stored upright.",
    RefusalCode.OUT_OF_DISTRIBUTION: (
        "The image differs too much from the chest radiographs that the model was trained on."
    ),
}
_CODES: Final = {
    Look.INVERTED: RefusalCode.OUT_OF_DISTRIBUTION,
    Look.TURNED: RefusalCode.NOT_UPRIGHT,
    Look.LATERAL: RefusalCode.NOT_FRONTAL,
    Look.OTHER: RefusalCode.NOT_CHEST,
    Look.FRONTAL: RefusalCode.NOT_CHEST,
}


@dataclass(frozen=True, slots=True)
class Impression:
    """Class probabilities in the order of `Look`, and the distance from ordinary films."""

    p: tuple[float, ...]
    distance: float

    @property
    def frontal(self) -> float:
        """Return the probability that this is a frontal, upright chest film."""
        return self.p[Look.FRONTAL]


def refuse(code: RefusalCode) -> StudyRefused:
    """Return the refusal with its sentence."""
    return StudyRefused(code.value, _SENTENCES[code])


def network_input(pixels: Float) -> Float:
    """Return the whole prepared film at the network's size; the gate must see the borders."""
    return imaging.resize(imaging.canonical(pixels).pixels, imaging.EDGE, imaging.EDGE)


def network_inputs(pixels: Float) -> Float:
    """Return (2, 224, 224): the prepared film as it is, and with its greys inverted."""
    pair = imaging.both_polarities(pixels)
    return np.stack([imaging.resize(one, imaging.EDGE, imaging.EDGE) for one in pair])


class CxrGate:
    """Decides from the pixels; header claims in ``Sample.hints`` are not even looked at."""

    def __init__(self, card: ModelCard, graph: Graph) -> None:
        self._graph = graph
        self._least_frontal = card.operating["least_frontal"]
        self._most_distance = card.operating["most_distance"]

    def look(self, pixels: Float) -> tuple[Impression, Impression]:
        """Return the impressions of a film as it is and with its grey scale inverted."""
        logits, distance = self._graph(network_inputs(pixels))
        p = softmax(logits, 1.0)
        first, second = (
            Impression(tuple(map(float, row)), float(far[0]))
            for row, far in zip(p, distance, strict=True)
        )
        return first, second

    def check(self, sample: Sample) -> Sample:
        """Return the film to read; raises StudyRefused."""
        if sample.kind is not StudyKind.CXR:
            raise refuse(RefusalCode.NOT_CHEST)
        low, high = np.percentile(sample.pixels[::_PROBE, ::_PROBE], (1.0, 99.0))
        if high - low < _LEAST_SPREAD:
            raise refuse(RefusalCode.BLANK_IMAGE)
        upright, inverted = self.look(sample.pixels)
        if inverted.frontal > max(upright.frontal, self._least_frontal):
            self._judge(inverted)
            return replace(
                sample,
                pixels=(1.0 - sample.pixels).astype(np.float32),
                notes=(*sample.notes, INVERTED_NOTE),
            )
        self._judge(upright)
        return sample

    def _judge(self, impression: Impression) -> None:
        """Raise StudyRefused where an impression is not that of an ordinary frontal film."""
        likeliest = Look(int(np.argmax(impression.p)))
        if likeliest is not Look.FRONTAL or impression.frontal < self._least_frontal:
            raise refuse(_CODES[likeliest])
        if impression.distance > self._most_distance:
            raise refuse(RefusalCode.OUT_OF_DISTRIBUTION)
