"""The lung finder as it is served: a film in, its lung fields out."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models import golden, imaging, weights
from models.card import ModelCard
from models.cxr_lungs.fields import LungFields, fields
from models.cxr_lungs.network import EDGE, LungNetwork
from models.graph import Plane
from models.imaging import Float


def prepared(film: imaging.Canonical) -> Float:
    """Return the network's input of a trimmed and equalised film."""
    return imaging.resize(film.pixels, EDGE, EDGE)


class CxrLungs:
    """Outlines the lungs of frontal chest films."""

    def __init__(self, card: ModelCard, network: Plane) -> None:
        self._card = card
        self._network = network

    @property
    def card(self) -> ModelCard:
        """Return the model's card."""
        return self._card

    def find(self, pixels: Float) -> LungFields:
        """Return the lung fields of a film (rows, columns), 0 to 1; raises InferenceFailed."""
        film = imaging.canonical(pixels)
        logits = self._network(prepared(film)[np.newaxis])[0, 0].astype(np.float64)
        return fields((1.0 / (1.0 + np.exp(-logits))).astype(np.float32), film.box)

    def golden(self) -> Mapping[str, float]:
        """Return what the finder makes of the golden film."""
        found = self.find(golden.film().pixels)
        around = found.around()
        return {
            "area": float(found.mask.mean()),
            "left": around.left / 1000.0,
            "bottom": around.bottom / 1000.0,
        }


def load(folder: Path, card: ModelCard, device: str) -> CxrLungs:
    """Load verified weights; raises WeightsMismatch."""
    network = LungNetwork()
    weights.fill(network, weights.read(folder, card.weights), card.weights.file)
    return CxrLungs(card, Plane(network, device))
