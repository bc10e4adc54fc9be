"""The film gate: a human chest, frontal, upright, the right way round in grey, and ordinary."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dicom_node.domain import RefusalCode, Sample, StudyKind
from dicom_node.errors import StudyRefused
from models import imaging
from models.card import ModelCard
from models.gate.claims import contradicted
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


def impressions(logits: Float, distance: Float) -> Iterator[Impression]:
    """Yield the impression of each row of logits (n, 5) and distances (n, 1)."""
    for row, far in zip(softmax(logits, 1.0), distance, strict=True):
        yield Impression(tuple(map(float, row)), float(far[0]))


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


def is_blank(pixels: Float) -> bool:
    """Whether an image shows next to nothing."""
    low, high = np.percentile(pixels[::_PROBE, ::_PROBE], (1.0, 99.0))
    return bool(high - low < _LEAST_SPREAD)


@dataclass(frozen=True, slots=True)
class Limits:
    """What passes: at least this probability of a frontal film, at most this distance."""

    least_frontal: float
    most_distance: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate makes of a film: a refusal or none, and whether its greys are inverted."""

    code: RefusalCode | None
    is_inverted: bool = False


def verdict(as_it_is: Impression, inverted: Impression, limits: Limits) -> Verdict:
    """Judge the polarity in which a film looks more like a frontal chest film."""
    turned_round = inverted.frontal > max(as_it_is.frontal, limits.least_frontal)
    return Verdict(_fault(inverted if turned_round else as_it_is, limits), turned_round)


def _fault(impression: Impression, limits: Limits) -> RefusalCode | None:
    if impression.frontal < limits.least_frontal:
        return _CODES[max(_CODES, key=lambda look: impression.p[look])]
    if impression.distance > limits.most_distance:
        return RefusalCode.OUT_OF_DISTRIBUTION
    return None


class CxrGate:
    """Decides from the pixels; claims of the header that they contradict are noted."""

    def __init__(self, card: ModelCard, graph: Graph) -> None:
        self._graph = graph
        self._limits = Limits(card.operating["least_frontal"], card.operating["most_distance"])

    def look(self, pixels: Float) -> tuple[Impression, Impression]:
        """Return the impressions of a film as it is and with its grey scale inverted."""
        logits, distance = self._graph(network_inputs(pixels))
        first, second = impressions(logits, distance)
        return first, second

    def check(self, sample: Sample) -> Sample:
        """Return the film to read; raises StudyRefused."""
        if sample.kind is not StudyKind.CXR:
            raise refuse(RefusalCode.NOT_CHEST)
        if is_blank(sample.pixels):
            raise refuse(RefusalCode.BLANK_IMAGE)
        found = verdict(*self.look(sample.pixels), self._limits)
        if found.code is not None:
            raise refuse(found.code)
        notes = sample.notes + contradicted(sample.hints, "a frontal chest film")
        if found.is_inverted:
            pixels = (1.0 - sample.pixels).astype(np.float32)
            return replace(sample, pixels=pixels, notes=(*notes, INVERTED_NOTE))
        return sample if notes == sample.notes else replace(sample, notes=notes)
