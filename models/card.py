"""Model cards: what a model is, was trained on, measured at, and must not be used for.

A card is a ``card.toml`` beside the weights (Mitchell et al. 2019, arXiv:1810.03993). The part
between the two markers is written by training; the rest by people.
"""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dicom_node import codes
from dicom_node.codes import Code
from dicom_node.domain import ModelIdentity, Presence, StudyKind
from dicom_node.errors import ModelError

FILE = "card.toml"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(_Section):
    """One output with its operating point, all chosen on validation.

    From ``present_from`` the finding counts as present, below ``absent_below`` as absent, and
    between them as undetermined; ``threshold`` is the point reported beside the probability.
    """

    label: str
    threshold: float = Field(ge=0, le=1)
    absent_below: float = Field(ge=0, le=1)
    present_from: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.label not in codes.FINDINGS:
            raise ValueError(f"label {self.label} has no code in dicom_node.codes.FINDINGS")
        if not self.absent_below <= self.threshold <= self.present_from:
            raise ValueError("absent_below <= threshold <= present_from must hold")
        return self

    @property
    def code(self) -> Code:
        """Return the coded concept of this label."""
        return codes.FINDINGS[self.label]

    def presence(self, probability: float) -> Presence:
        """Return what this operating point makes of a probability."""
        if probability >= self.present_from:
            return Presence.PRESENT
        if probability < self.absent_below:
            return Presence.ABSENT
        return Presence.UNDETERMINED


class Input(_Section):
    """What the network is fed."""

    edge: int = Field(ge=1)
    preprocessing: str


class Weights(_Section):
    """Which file holds the weights, and what it must hash to."""

    file: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Part(_Section):
    """Another model that this one works with: exactly these weights of it."""

    name: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Data(_Section):
    """One data set, and what it was used for."""

    name: str
    licence: str
    use: str
    n: int = Field(ge=0)


class Figure(_Section):
    """One measured figure; ``low`` and ``high`` are a 95 % interval where there is one."""

    name: str
    on: str
    value: float
    n: int = Field(ge=0)
    low: float | None = None
    high: float | None = None


class ModelCard(_Section):
    """A whole card."""

    name: str
    version: str
    role: Literal["classifier", "gate", "segmenter"]
    kinds: tuple[StudyKind, ...] = Field(min_length=1)
    architecture: str
    intended_use: str
    limits: tuple[str, ...] = Field(min_length=1)
    confounds: tuple[str, ...] = Field(min_length=1)
    attribution: tuple[str, ...] = Field(min_length=1)
    input: Input
    data: tuple[Data, ...] = Field(min_length=1)
    weights: Weights
    parts: tuple[Part, ...] = ()
    labels: tuple[Label, ...] = ()
    operating: dict[str, float] = Field(default_factory=dict)
    figures: tuple[Figure, ...] = ()

    @model_validator(mode="after")
    def _classifier_has_labels(self) -> Self:
        if self.role == "classifier" and not self.labels:
            raise ValueError("a classifier needs labels")
        names = [label.label for label in self.labels]
        if len(names) != len(set(names)):
            raise ValueError("labels repeat")
        return self

    @property
    def kind(self) -> StudyKind:
        """Return the kind of study that a classifier reads; of a gate, the first."""
        return self.kinds[0]

    @property
    def temperature(self) -> float:
        """Return the softmax temperature, 1 where the model was not calibrated."""
        return self.operating.get("temperature", 1.0)

    @property
    def identity(self) -> ModelIdentity:
        """Return name, version and weights hash."""
        return ModelIdentity(self.name, self.version, self.weights.sha256)


def load(folder: Path) -> ModelCard:
    """Read and validate the card in ``folder``; raise ModelError that lists every fault."""
    file = folder / FILE
    try:
        return ModelCard(**tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ModelError(f"model card {file} cannot be read: {exc}") from exc
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise ModelError(f"model card {file} is wrong: {faults}") from exc
