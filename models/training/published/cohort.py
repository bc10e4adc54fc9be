"""Which images a published recipe trains on and is measured on, with and without leakage."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dicom_node.errors import SettingsError
from models.training import manifest
from models.training.manifest import Item
from models.training.published.section import Published

_SEED: Final = 42
"""Of the random divisions: the one that PyImageSearch's script has."""
_FILES: Final = {"cxr": "cxr", "slices": "ct"}
_READERS: Final[dict[str, Callable[[Path], tuple[Item, ...]]]] = {
    "cxr": manifest.films,
    "slices": manifest.slices,
}


@dataclass(frozen=True, slots=True)
class Cohort:
    """The images of one recipe.

    ``train``, ``validation`` and ``test`` are divided as published. ``strangers`` are all other
    images of the same labels and of the test's kind whose patients none of the three has.
    """

    train: tuple[Item, ...]
    validation: tuple[Item, ...]
    test: tuple[Item, ...]
    strangers: tuple[Item, ...]

    @property
    def everything(self) -> tuple[Item, ...]:
        """Return all images, each once."""
        return self.train + self.validation + self.test + self.strangers

    def unseen(self, items: Sequence[Item]) -> NDArray[np.bool_]:
        """Return which of ``items`` show a patient that training never saw.

        Near-duplicates share a patient group, so they go too.
        """
        known = {item.group for item in self.train}
        return np.array([item.group not in known for item in items], dtype=np.bool_)


def _column(data: Path, section: Published) -> dict[str, str]:
    file = data / _FILES[section.manifest] / "manifest.csv"
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            return {row["id"]: row[section.column] for row in csv.DictReader(stream)}
    except (OSError, KeyError) as exc:
        raise SettingsError(f"{file} cannot be read for column {section.column}: {exc!r}") from exc


def _divided(
    items: Sequence[Item], share: float, labels: Sequence[str]
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Divide ``items`` at random into the rest and a share of each label."""
    random = np.random.default_rng(_SEED)
    taken: set[str] = set()
    for label in labels:
        mine = [item.id for item in items if item.label == label]
        taken.update(random.permutation(mine)[: round(len(mine) * share)].tolist())
    return (
        tuple(item for item in items if item.id not in taken),
        tuple(item for item in items if item.id in taken),
    )


def read(data: Path, section: Published) -> Cohort:
    """Return the images of a recipe; raise SettingsError where a part has none."""
    value = _column(data, section)
    known = [item for item in _READERS[section.manifest](data) if item.label in section.labels]
    listed = [
        item for item in known if value[item.id] and (item.set in section.sets or not section.sets)
    ]
    if section.test_share:
        train, test = _divided(listed, section.test_share, section.labels)
    else:
        train = tuple(item for item in listed if value[item.id] == "train")
        test = tuple(item for item in listed if value[item.id] == "test")
    train, validation = _divided(train, section.validation_share, section.labels)
    if not train or not test:
        raise SettingsError(f"column {section.column} has no images to train or to test on")
    met = {item.group for item in train + validation + test}
    kinds = {item.set for item in known if section.manifest == "slices"} or {"core"}
    strangers = tuple(item for item in known if item.set in kinds and item.group not in met)
    return Cohort(train, validation, test, strangers)
