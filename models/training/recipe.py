"""Training recipes: one TOML file each, validated before anything runs."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dicom_node.errors import SettingsError
from models.training.published.section import Published

FOLDER = Path(__file__).parent.parent / "recipes"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Section):
    """One class from one group of sources, and the share of each epoch that it fills.

    ``means``: the outputs that a film with this label may truly be, where the label is not one.
    ``exclude_sources``: see `Recipe`.
    """

    label: str
    sets: tuple[str, ...]
    source: str = ""
    share: float = Field(gt=0)
    means: tuple[str, ...] = ()
    exclude_sources: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the outputs that this cell's films may truly be."""
        return self.means or (self.label,)


class Fit(_Section):
    """How the network is fitted.

    ``images_per_epoch``: drawn by the cells' shares; without it each image comes once.
    ``mixup``: parameter of the Beta distribution (Zhang et al. 2018, arXiv:1710.09412), 0 for
    none. ``select``: which epoch's weights are kept. ``decay``: of the schedule
    1 / (1 + decay * step). ``time_limit_min``: no epoch begins after it. ``head_strength``: of
    a film model, inverse regularisation of the head that is fitted at the end to the trained
    features and ImageNet's own, 0 for the trained network alone.
    """

    epochs: int = Field(ge=1)
    images_per_epoch: int | None = Field(default=None, ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    head_learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    dropout: float = Field(ge=0, lt=1)
    frozen_blocks: int = Field(ge=0)
    patience: int = Field(ge=1)
    average: float = Field(default=0.0, ge=0, lt=1)
    mixup: float = Field(default=0.0, ge=0)
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed"
    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: float = Field(default=0.0, ge=0, lt=1)
    schedule: Literal["cosine", "inverse_time"] = "cosine"
    decay: float = Field(default=0.0, ge=0)
    select: Literal["best", "last"] = "best"
    time_limit_min: float | None = Field(default=None, gt=0)
    head_strength: float = Field(default=0.0, ge=0)


class Augment(_Section):
    """Random changes to training images; every range is symmetric unless it says so.

    ``sharpen``, ``clouds``: share of images; ``grown``: the most that a lung outline is widened,
    as part of the edge.
    """

    rotation_deg: float = Field(ge=0)
    scale: tuple[float, float]
    aspect: float = Field(ge=0)
    shift: float = Field(ge=0)
    flip: float = Field(ge=0, le=1)
    gamma: float = Field(ge=0)
    contrast: float = Field(ge=0)
    noise: float = Field(ge=0)
    coarse: float = Field(ge=0, le=1)
    cover_border: float = Field(ge=0, le=1)
    cover_patch: float = Field(ge=0, le=1)
    sharpen: float = Field(default=0.0, ge=0, le=1)
    clouds: float = Field(default=0.0, ge=0, le=1)
    grown: float = Field(default=0.0, ge=0, le=0.2)


class Gate(_Section):
    """How the film gate's head and distance are fitted."""

    films: int = Field(ge=1)
    rank: int = Field(ge=1)
    strength: float = Field(gt=0)
    most_refused: float = Field(gt=0, lt=1)
    phantom_seeds: int = Field(ge=0)


class Recipe(_Section):
    """A whole recipe.

    ``start``: another recipe, whose trained model is what training begins with. ``cells_of``: a
    recipe whose cells this one has.
    ``exclude_sources``: parts of source names, or whole set names, that training and validation
    do not see; ``held_out``: those of them that were named on the command line.
    """

    name: str
    model: str = ""
    task: Literal["cxr", "lungs", "ct", "gate", "published"]
    seed: int
    pretrained: str = ""
    start: str = ""
    cells_of: str = ""
    held_out: tuple[str, ...] = ()
    fit: Fit | None = None
    augment: Augment | None = None
    gate: Gate | None = None
    published: Published | None = None
    cells: tuple[Cell, ...] = ()
    exclude_sources: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed: dict[str, list[object]] = {
            "gate": [self.gate],
            "published": [self.published, self.fit],
        }
        if None in needed.get(self.task, [self.fit, self.augment]):
            raise ValueError(
                f"a {self.task} recipe needs its sections (gate, published and fit, or fit and "
                f"augment)"
            )
        if self.task != "published" and not self.model:
            raise ValueError(f"a {self.task} recipe needs the model that it makes")
        return self

    @property
    def digest(self) -> str:
        """Return a short hash of the recipe: a checkpoint of another recipe is not resumed.

        Defaults are left out, so that a new setting does not make every recipe another one.
        """
        told = self.model_dump_json(exclude_defaults=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def holding_out(self, sources: tuple[str, ...]) -> Self:
        """Return this recipe without some sources, under a name of its own."""
        if not sources:
            return self
        return self.model_copy(
            update={
                "name": self.name + _without(sources),
                "exclude_sources": self.exclude_sources + sources,
                "held_out": sources,
            }
        )

    def beside(self, name: str) -> str:
        """Return what another recipe is called that holds out the same sources as this one."""
        return name + _without(self.held_out)

    @property
    def fitting(self) -> Fit:
        """Return the section ``fit``; raise SettingsError where this recipe has none."""
        if self.fit is None:
            raise SettingsError(f"recipe {self.name} has no section fit")
        return self.fit

    @property
    def augmentation(self) -> Augment:
        """Return the section ``augment``; raise SettingsError where this recipe has none."""
        if self.augment is None:
            raise SettingsError(f"recipe {self.name} has no section augment")
        return self.augment

    @property
    def gating(self) -> Gate:
        """Return the section ``gate``; raise SettingsError where this recipe has none."""
        if self.gate is None:
            raise SettingsError(f"recipe {self.name} has no section gate")
        return self.gate

    @property
    def publication(self) -> Published:
        """Return the section ``published``; raise SettingsError where this recipe has none."""
        if self.published is None:
            raise SettingsError(f"recipe {self.name} has no section published")
        return self.published


def _without(sources: tuple[str, ...]) -> str:
    plain = [re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-") for source in sources]
    return f"-without-{'-'.join(plain)}" if plain else ""


def load(name_or_file: str) -> Recipe:
    """Read a recipe by name or path; raise SettingsError that lists every fault."""
    file = Path(name_or_file)
    if file.suffix != ".toml":
        file = FOLDER / f"{name_or_file}.toml"
    try:
        read = Recipe(**tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError as exc:
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.toml")))
        raise SettingsError(f"no recipe {name_or_file}; there are: {known}") from exc
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(f"recipe {file} cannot be read: {exc}") from exc
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors())
        raise SettingsError(f"recipe {file} is wrong: {faults}") from exc
    if not read.cells_of:
        return read
    return read.model_copy(update={"cells": load(read.cells_of).cells})
