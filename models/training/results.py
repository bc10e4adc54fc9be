"""What a run found, in the form that its report is written from."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dicom_node.errors import ModelError
from models.card import Figure, Label
from models.imaging import Float
from models.training.manifest import Item
from models.training.metrics import Index, Probabilities
from models.training.recipe import Recipe
from models.training.watch import Epoch

UNKNOWN: Final = -1
"""The class of an image whose class is not known, or is none of the labels."""
_CPU_FACTS: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One thing known of each image of a part (population, source, view): ``values`` (n,)."""

    name: str
    values: NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One set of held-out images with what the model says of them.

    ``truth`` (n,) holds indices of ``labels``, UNKNOWN where there is none. ``probabilities``
    (n, labels), 0 to 1; ``uncalibrated`` the same before calibration. ``groups`` (n,) names
    patients and ``ids`` (n,) images; neither is a path. ``allowed`` (n, labels) marks the classes
    that an image of unknown class may have, as in `models.training.scores.Part`: all but `normal`
    for a pneumonia of unknown cause; without it, any. Raises ModelError where shapes disagree.
    """

    name: str
    labels: tuple[str, ...]
    truth: Index
    probabilities: Probabilities
    groups: NDArray[np.str_]
    ids: NDArray[np.str_]
    uncalibrated: Probabilities | None = None
    allowed: NDArray[np.bool_] | None = None
    attributes: tuple[Attribute, ...] = ()

    def __post_init__(self) -> None:
        n, labels = len(self.truth), len(self.labels)
        flat = [self.truth, self.groups, self.ids, *(a.values for a in self.attributes)]
        wide = [self.probabilities, self.uncalibrated, self.allowed]
        if any(one.shape != (n,) for one in flat) or any(
            one is not None and one.shape != (n, labels) for one in wide
        ):
            raise ModelError(f"part {self.name}: not every column has {n} rows, {labels} labels")
        if n and not UNKNOWN <= self.truth.min() <= self.truth.max() < labels:
            raise ModelError(f"part {self.name}: a class index is outside its {labels} labels")
        if not np.isfinite(self.probabilities).all():
            raise ModelError(f"part {self.name}: a probability is not finite")

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def said(self) -> Index:
        """Return the most probable class of each image."""
        said: Index = self.probabilities.argmax(axis=1).astype(np.int64)
        return said

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return which images have a class."""
        known: NDArray[np.bool_] = self.truth != UNKNOWN
        return known

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Return which images were certainly read wrongly."""
        wrong: NDArray[np.bool_] = self.known & (self.said != self.truth)
        if self.allowed is not None:
            wrong |= ~self.known & ~self.allowed[np.arange(len(self)), self.said]
        return wrong

    def against_rest(self, index: int) -> "Part":
        """Return the images of which it is known whether they have class ``index``."""
        decided = self.known.copy()
        if self.allowed is not None:
            decided |= ~self.allowed[:, index]
        return self.where(decided)

    def where(self, keep: NDArray[np.bool_]) -> "Part":
        """Return the images for which ``keep`` holds."""
        return Part(
            name=self.name,
            labels=self.labels,
            truth=self.truth[keep],
            probabilities=self.probabilities[keep],
            groups=self.groups[keep],
            ids=self.ids[keep],
            uncalibrated=None if self.uncalibrated is None else self.uncalibrated[keep],
            allowed=None if self.allowed is None else self.allowed[keep],
            attributes=tuple(Attribute(a.name, a.values[keep]) for a in self.attributes),
        )


def part_of(
    name: str,
    labels: tuple[str, ...],
    items: Sequence[Item],
    probabilities: Probabilities,
    *,
    uncalibrated: Probabilities | None = None,
    means: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Part:
    """Return the part that ``items`` make up, with what the manifest says of each.

    ``means``: the labels that an image with another label may truly have, as in a recipe's cells;
    of a label that is in neither nothing is known.
    """
    known = {label: index for index, label in enumerate(labels)}
    open_to = [means.get(item.label, labels) for item in items]
    allowed = [[label in one for label in labels] for one in open_to]
    return Part(
        name=name,
        labels=labels,
        truth=np.array([known.get(item.label, UNKNOWN) for item in items], dtype=np.int64),
        probabilities=probabilities,
        groups=np.array([item.group for item in items], dtype=np.str_),
        ids=np.array([item.id for item in items], dtype=np.str_),
        uncalibrated=uncalibrated,
        allowed=np.array(allowed, dtype=np.bool_).reshape(len(items), len(labels)),
        attributes=(
            _attribute("population", ["adult" if item.adult else "child" for item in items]),
            _attribute("source", [item.source for item in items]),
            _attribute("view", [item.view for item in items]),
        ),
    )


def _attribute(name: str, values: Sequence[str]) -> Attribute:
    return Attribute(name, np.array(values, dtype=np.str_))


@dataclass(frozen=True, slots=True, eq=False)
class WorstError:
    """One image that was read wrongly, and what moved the model.

    ``film`` and ``evidence`` are (rows, columns), 0 to 1: the image as the network saw it, and
    Grad-CAM for what was said. ``probability`` is that of ``said``.
    """

    id: str
    part: str
    truth: str
    said: str
    probability: float
    film: Float
    evidence: Float


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run ran on; ``seconds`` is None where nothing was trained."""

    torch: str
    device: str
    threads: int
    seconds: float | None = None


def machine(device: str, seconds: float | None = None) -> Machine:
    """Describe this machine; ``device`` is torch's name of it (cpu, cuda)."""
    kind = torch.device(device).type
    name = torch.cuda.get_device_name(device) if kind == "cuda" else _processor()
    return Machine(torch.__version__, f"{kind}, {name}", torch.get_num_threads(), seconds)


def _processor() -> str:
    if _CPU_FACTS.is_file():
        for line in _CPU_FACTS.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.machine()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a recipe, as text."""

    name: str
    value: str


def settings(recipe: Recipe) -> tuple[Setting, ...]:
    """Return everything that a recipe sets."""
    return tuple(_flat(recipe.model_dump(mode="json", exclude_none=True)))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[Setting]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for number, one in enumerate(value, 1):
                told = "; ".join(f"{s.name} {s.value}" for s in _flat(one))
                yield Setting(f"{prefix}{key} {number}", told)
        elif value not in ([], ""):
            told = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield Setting(f"{prefix}{key}", told)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one report shows; whatever is empty is left out."""

    title: str
    machine: Machine
    figures: tuple[Figure, ...]
    summary: str = ""
    weights_sha256: str = ""
    settings: tuple[Setting, ...] = ()
    history: tuple[Epoch, ...] = ()
    ended: str = ""
    """Why training ended, in words."""
    select: Literal["best", "last"] = "best"
    """Which epoch's weights were kept, as in `models.training.recipe.Fit`."""
    points: tuple[Label, ...] = ()
    parts: tuple[Part, ...] = ()
    errors: tuple[WorstError, ...] = ()
    limits: tuple[str, ...] = ()
