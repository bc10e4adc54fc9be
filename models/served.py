"""What every loaded model can do beside its port, and how it is checked at start-up."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from dicom_node.errors import GoldenMismatch
from models.card import ModelCard

GOLDEN_FILE: Final = "golden.json"


class Served(Protocol):
    """A loaded model."""

    @property
    def card(self) -> ModelCard:
        """Return the model's card."""
        ...

    def golden(self) -> Mapping[str, float]:
        """Compute the numbers of the golden prediction: a fixed input, made by code."""
        ...


Loader = Callable[[Path, ModelCard, str], Served]


def verify(model: Served, folder: Path) -> None:
    """Run the golden prediction and compare it with ``golden.json``.

    The recorded tolerance covers what processors and libraries differ by, and no more. Raises
    GoldenMismatch where a number is missing, differs, or is not finite.
    """
    name = model.card.name
    try:
        recorded = json.loads((folder / GOLDEN_FILE).read_text(encoding="utf-8"))
        expected: dict[str, float] = recorded["numbers"]
        tolerance = float(recorded["tolerance"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise GoldenMismatch(f"{name}: {folder / GOLDEN_FILE} cannot be read: {exc}") from exc
    measured = model.golden()
    if measured.keys() != expected.keys():
        raise GoldenMismatch(
            f"{name}: golden prediction gives {sorted(measured)}, recorded are {sorted(expected)}"
        )
    for key, number in measured.items():
        if not math.isfinite(number) or abs(number - expected[key]) > tolerance:
            raise GoldenMismatch(
                f"{name}: golden prediction of {key} is {number:.5f}, recorded is "
                f"{expected[key]:.5f} ± {tolerance}; the weights, the preprocessing or a library "
                f"changed: do not serve, retrain or record anew"
            )


def record(model: Served, folder: Path, tolerance: float) -> None:
    """Write the golden numbers of a newly trained model."""
    numbers = {key: round(number, 6) for key, number in model.golden().items()}
    text = json.dumps({"tolerance": tolerance, "numbers": numbers}, indent=2)
    (folder / GOLDEN_FILE).write_text(text + "\n", encoding="utf-8")
