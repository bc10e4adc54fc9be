"""Which images a recipe trains on, and what their labels leave open."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.errors import SettingsError
from models.training import recipe, scores
from models.training.job import Job, begun
from models.training.job import part as part_of
from models.training.manifest import Item
from models.training.read import LABELS
from models.training.scores import Part
from tests.progress import Silence


def _part(count: int, seed: int) -> Part:
    random = np.random.default_rng(seed)
    weights = random.random(count)
    allowed = np.eye(3, dtype=np.bool_)[random.integers(0, 3, count)]
    return Part(np.zeros((count, 1, 1), dtype=np.uint8), allowed, weights / weights.sum())


@given(seed=st.integers(0, 30))
@settings(max_examples=15, deadline=None)
def test_partial_labels_count_in_the_loss_and_not_in_accuracy(seed: int) -> None:
    raw = np.random.default_rng(seed).normal(0, 2, (60, 3)).astype(np.float32)
    plain = _part(60, seed)
    wider = plain.allowed.copy()
    wider[:20] = True
    part = Part(plain.images, wider, plain.weights)

    assert part.targets.tolist() == [-1] * 20 + plain.targets[20:].tolist()
    known = Part(plain.images, plain.allowed[20:], plain.weights[20:])
    assert scores.weighted_loss(raw, part) == pytest.approx(scores.weighted_loss(raw[20:], known))
    assert scores.weighted_balanced_accuracy(raw, part) == pytest.approx(
        scores.weighted_balanced_accuracy(raw[20:], known)
    )


def _items(*rows: tuple[str, str, str]) -> list[Item]:
    return [
        Item(str(index), Path(), label, "train", which, source, True, "PA", "g", "")
        for index, (label, which, source) in enumerate(rows)
    ]


def test_part_marks_what_a_label_may_mean_and_leaves_sources_out(tmp_path: Path) -> None:
    cells = (
        recipe.Cell(label="covid19", sets=("core", "radiography256"), share=1),
        recipe.Cell(
            label="pneumonia_unspecified",
            sets=("core",),
            share=1,
            means=("bacterial_pneumonia", "viral_pneumonia"),
            exclude_sources=("NIH",),
        ),
    )
    items = _items(
        ("covid19", "core", "ieee8023 (Italy)"),
        ("covid19", "radiography256", "Database"),
        ("pneumonia_unspecified", "core", "ieee8023 (Italy)"),
        ("pneumonia_unspecified", "core", "NIH ChestX-ray14"),
    )
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1)

    def seen(*held_out: str) -> Part:
        wanted = recipe.load("cxr-lite").model_copy(update={"cells": cells}).holding_out(held_out)
        return part_of(Job(wanted, tmp_path, tmp_path, Silence()), items, images, LABELS, "train")

    assert seen().images.ravel().tolist() == [0, 1, 2]
    assert seen().targets.tolist() == [3, 3, -1]
    assert seen().allowed[2].tolist() == [False, True, True, False]
    assert seen("radiography256").images.ravel().tolist() == [0, 2]
    assert seen("Italy").images.ravel().tolist() == [1]


def test_recipe_that_holds_a_source_out_is_another_recipe() -> None:
    whole = recipe.load("cxr-lite")

    held = whole.holding_out(("COVID-19 Radiography Database", "nih256"))

    assert whole.holding_out(()) is whole
    assert held.name == "cxr-lite-without-covid-19-radiography-database-nih256"
    assert held.digest != whole.digest


def test_recipe_that_holds_a_source_out_needs_stages_that_held_it_out_too(tmp_path: Path) -> None:
    held = recipe.load("cxr-lite").holding_out(("nih256",))
    of_all = tmp_path / "cxr-lite-second" / "model"
    of_all.mkdir(parents=True)
    (of_all / "card.toml").touch()

    with pytest.raises(SettingsError, match="train cxr-lite-second --hold-out 'nih256'"):
        begun(Job(held, tmp_path, tmp_path / held.name, Silence()), "cxr-lite-second")


def test_cells_are_those_of_the_recipe_that_is_named() -> None:
    whole, stage = recipe.load("cxr-lite"), recipe.load("cxr-lite-second")

    assert stage.cells == whole.cells
