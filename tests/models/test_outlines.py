"""Learning to outline lungs: the drawn outlines, the loss, and the random changes."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.cxr_lite import preprocess
from models.training import augment, lung_masks, recipe
from models.training.manifest import Item
from models.training.outliner import loss_of


def _item(name: str) -> Item:
    return Item(
        id=f"id-{name}",
        file=Path("core") / f"{name}.jpg",
        label="covid19",
        split="train",
        set="core",
        source="ieee8023",
        adult=True,
        view="PA",
        group="g",
        official="",
    )


def _png(grey: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 6), grey, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_outlines_are_matched_by_the_films_original_name(tmp_path: Path) -> None:
    file = tmp_path / "masks.zip"
    with zipfile.ZipFile(file, "w") as stored:
        stored.writestr("folder/one.png", _png(255))
        stored.writestr("folder/other.jpeg", _png(0))

    found = lung_masks.outlined([_item("ieee8023__one"), _item("kermany__other")], file)

    assert list(found) == ["id-ieee8023__one"]
    assert found["id-ieee8023__one"].shape == (4, 6)
    assert found["id-ieee8023__one"].all()


def test_outlines_of_the_data_set_are_installed() -> None:
    assert lung_masks.archive().is_file()


@given(seed=st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_loss_is_least_for_the_right_outline(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    mask = (torch.rand(2, 1, 16, 16, generator=random) > 0.5).float()
    right = (mask * 2 - 1) * 9.0

    assert loss_of(right, mask) < loss_of(torch.zeros_like(right), mask) < loss_of(-right, mask)


@pytest.mark.parametrize("name", ["cxr-lite", "cxr-lungs"])
def test_random_changes_keep_range_and_shape_and_follow_the_seed(name: str) -> None:
    how = recipe.load(name).augmentation
    views = torch.rand(3, 2, 240, 240, generator=torch.Generator().manual_seed(1))
    views[:, 1] = (views[:, 1] > 0.2).float()

    def changed(seed: int) -> tuple[torch.Tensor, ...]:
        random = torch.Generator().manual_seed(seed)
        if name == "cxr-lite":
            return (augment.lungs(views, how, random),)
        return augment.outlines(views, preprocess.EDGE, how, random)

    once, again, other = changed(1), changed(1), changed(2)
    planes = {"cxr-lite": 2, "cxr-lungs": 1}[name]
    for one, two, three in zip(once, again, other, strict=True):
        assert one.shape == (3, planes, preprocess.EDGE, preprocess.EDGE)
        assert float(one.min()) >= 0.0
        assert float(one.max()) <= 1.0 + 1e-5
        torch.testing.assert_close(one, two)
        assert not torch.equal(one, three)
