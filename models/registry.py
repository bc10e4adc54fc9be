"""Every model there is: name to folder and loader, in one dictionary.

A new model is a folder with card, weights, golden numbers and a module that has ``load``, and
one line here; `tests/models/test_classifier_contract.py` then runs on it by itself. Cards can
be read without loading torch; the loader's module is imported only when a model is opened.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from dicom_node.errors import ModelError, ModelNotFound, WeightsMismatch
from models import card
from models.card import ModelCard

if TYPE_CHECKING:
    from models.served import Loader, Served

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one model lives; ``module`` has ``load(folder, card, device)``.

    ``name`` stands for the card's own where a site registers weights under another.
    """

    folder: Path
    module: str
    name: str | None = None

    def card(self) -> ModelCard:
        """Read the model's card."""
        found = card.load(self.folder)
        return found if self.name is None else found.model_copy(update={"name": self.name})


MODELS: Final[Mapping[str, Entry]] = {
    "cxr-lite": Entry(_HERE / "cxr_lite", "models.cxr_lite.model"),
    "cxr-lungs": Entry(_HERE / "cxr_lungs", "models.cxr_lungs.model"),
    "ct-lite": Entry(_HERE / "ct_lite", "models.ct_lite.model"),
    "gate": Entry(_HERE / "gate", "models.gate.model"),
}


def entry(name: str) -> Entry:
    """Return the entry of ``name``; raise ModelNotFound that lists the known names."""
    if name not in MODELS:
        raise ModelNotFound(f"no model is named {name}; there are: {', '.join(MODELS)}")
    return MODELS[name]


def open_model(where: Entry, device: str) -> "Served":
    """Load the model of one entry onto ``device`` (cpu or cuda).

    Raises WeightsMismatch where the weights are not those of the card.
    """
    loader = cast("Loader", importlib.import_module(where.module).load)
    return loader(where.folder, where.card(), device)


def open_part(whole: ModelCard, name: str, device: str) -> "Served":
    """Load the model ``name`` that another's card counts among its parts.

    Raises ModelError where the card does not, WeightsMismatch where the registered weights are
    not the ones that it names: a model trained behind another lung finder must not be served.
    """
    wanted = {part.name: part.sha256 for part in whole.parts}
    if name not in wanted:
        raise ModelError(f"the card of {whole.name} does not name {name} among its parts")
    where = entry(name)
    found = where.card().weights.sha256
    if found != wanted[name]:
        raise WeightsMismatch(
            f"{whole.name} was trained with {name} {wanted[name][:12]}, registered is "
            f"{found[:12]}; restore those weights or train {whole.name} anew"
        )
    return open_model(where, device)
