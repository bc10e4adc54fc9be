"""The gate as it is served: one for films, one for CT series."""

from collections.abc import Mapping
from pathlib import Path

from dicom_node.domain import StudyKind
from dicom_node.ports import Gate
from models import golden, lungs, weights
from models.card import ModelCard
from models.ct_lite.series import LEAST_SHARE
from models.gate.ct import CtGate
from models.gate.cxr import CxrGate
from models.gate.features import shaped_like
from models.graph import Graph


class Gates:
    """Both gates behind one card."""

    def __init__(self, card: ModelCard, film: CxrGate, series: CtGate) -> None:
        self._card = card
        self._film = film
        self._gates: Mapping[StudyKind, Gate] = {StudyKind.CXR: film, StudyKind.CT: series}

    @property
    def card(self) -> ModelCard:
        """Return the gate's card."""
        return self._card

    def of(self, kind: StudyKind) -> Gate:
        """Return the gate for one kind of study."""
        return self._gates[kind]

    def golden(self) -> Mapping[str, float]:
        """Return what the gate makes of the golden film and series."""
        seen, inverted = self._film.look(golden.film().pixels)
        found = lungs.find(golden.series())
        return {
            "frontal": seen.frontal,
            "inverted_frontal": inverted.frontal,
            "ordinary": 1.0 / (1.0 + seen.distance),
            "lung_slices": float(len(found.slices(LEAST_SHARE))),
        }


def load(folder: Path, card: ModelCard, device: str) -> Gates:
    """Load verified weights; raises WeightsMismatch."""
    tensors = weights.read(folder, card.weights)
    network = shaped_like(tensors)
    weights.fill(network, tensors, card.weights.file)
    return Gates(card, CxrGate(card, Graph(network, device)), CtGate())
