"""The CT model's parts: outline, view, joined networks; and where its training slices come from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.domain import Sample
from models import golden, lungs
from models.backbone import Backbone, EfficientNetLite
from models.ct_lite import preprocess
from models.ct_lite.network import MEMBERS, TRUNK, SliceCommittee
from models.ct_lite.preprocess import Outline, View
from models.imaging import Float
from models.training import figures
from models.training.ct_slices import Slices, folds
from models.training.manifest import Item


def _view(sample: Sample, index: int) -> View:
    found = lungs.find(sample)
    plane = sample.pixels[index]
    return preprocess.view(preprocess.windowed(plane), preprocess.outline(plane, found, index))


def test_view_ties_greys_to_lung_and_tissue() -> None:
    seen = preprocess.cut(_view(golden.series(), 7).pixels)

    assert seen.shape == (preprocess.EDGE, preprocess.EDGE)
    assert float(np.percentile(seen, 2)) < 0.05
    assert float(np.median(seen[:12, 90:102])) > 0.95


def test_view_hides_what_lies_outside_the_lungs() -> None:
    sample = golden.series()
    y, x = np.mgrid[0:160, 0:160]
    pixels = sample.pixels.copy()
    pixels[7, (x - 80) ** 2 + (y - 45) ** 2 < 81] = -1000.0

    stomach = _view(replace(sample, pixels=pixels), 7)

    np.testing.assert_allclose(stomach.pixels, _view(sample, 7).pixels, atol=0.02)


def test_view_shows_consolidation_between_aerated_parts() -> None:
    sample = golden.series()
    pixels = sample.pixels.copy()
    pixels[7, 76:86, 36:46] = 40.0
    before, after = _view(sample, 7), _view(replace(sample, pixels=pixels), 7)

    changed = np.abs(after.pixels - before.pixels) > 0.5

    assert changed.any()
    assert bool((after.shown[changed] > 0.5).all())


@given(gain=st.floats(0.4, 1.0), offset=st.floats(0.0, 0.25))
@settings(max_examples=10, deadline=None)
def test_view_does_not_depend_on_the_window(gain: float, offset: float) -> None:
    sample = golden.series()
    found = lungs.find(sample)
    plane = sample.pixels[7]
    outline = preprocess.outline(plane, found, 7)
    greys = preprocess.windowed(plane) * 0.7

    other = preprocess.view((greys * gain + offset).astype(np.float32), outline)

    np.testing.assert_allclose(other.pixels, preprocess.view(greys, outline).pixels, atol=0.05)


def test_seen_box_is_the_part_that_cut_keeps() -> None:
    view = _view(golden.series(), 7)

    seen = preprocess.seen(view.box)

    part = (seen.right - seen.left) / (view.box.right - view.box.left)
    assert part == pytest.approx(preprocess.EDGE / preprocess.PREPARED_EDGE)


def _figure() -> Float:
    return preprocess.windowed(golden.series().pixels[7])


def test_outline_of_a_figure_is_that_of_the_slice() -> None:
    found = figures.outline(_figure())
    plane = golden.series().pixels[7]
    expected = preprocess.outline(plane, lungs.find(golden.series()), 7)

    assert found.lung.shape == expected.lung.shape
    overlap = (found.shown & expected.shown).sum() / (found.shown | expected.shown).sum()
    assert overlap > 0.9


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_outline_of_a_blank_figure_is_the_whole_figure(grey: float) -> None:
    found = figures.outline(np.full((90, 130), grey, dtype=np.float32))

    assert found.shown.all()
    assert found.lung.all()


def test_prepare_makes_slices_of_one_size() -> None:
    assert figures.prepare(_figure()[:, 5:140]).shape == (216, 216)


def test_view_of_an_outline_without_contrast_is_finite() -> None:
    whole = np.ones((10, 10), dtype=bool)

    seen = preprocess.view(np.zeros((40, 40), np.float32), Outline(whole, whole, 4.0, 4.0))

    assert bool(np.isfinite(seen.pixels).all())


def _members() -> list[Backbone]:
    """Return networks that share their trunk, as training leaves them."""
    torch.manual_seed(3)
    members: list[Backbone] = [EfficientNetLite(2).eval() for _ in range(MEMBERS)]
    for member in members[1:]:
        member.features[:TRUNK].load_state_dict(members[0].features[:TRUNK].state_dict())
    return members


def test_committee_returns_the_mean_of_its_members_logits() -> None:
    members = _members()
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        expected = torch.stack([member(images)[0] for member in members]).mean(dim=0)

        found, maps = SliceCommittee.of(members)(images)

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert maps.shape == (2, 1280 * MEMBERS, 2, 2)


def _slices(papers: int, volumes: int = 2) -> Slices:
    random = np.random.default_rng(0)
    items = [
        _item(f"{paper}-{one}", f"paper {paper}", ("non_covid", "covid19")[paper % 2], split)
        for paper in range(papers)
        for split in [("train", "val", "test")[int(random.integers(3))]]
        for one in range(1 + paper % 3)
    ]
    items += [_item(f"v{n}", f"v{n}", "covid19", "train", "volumes") for n in range(volumes)]
    return Slices(items, np.zeros((len(items), 2, 2), dtype=np.uint8))


def _item(name: str, group: str, label: str, split: str, what: str = "slices") -> Item:
    return replace(_BLANK, id=name, group=group, label=label, split=split, set=what)


_BLANK = Item(
    id="", file=Path(), label="", split="", set="", source="", adult=True, view="axial",
    group="", official="",
)  # fmt: skip


def test_folds_leave_each_paper_out_once_and_the_test_split_always() -> None:
    slices = _slices(60)
    known = {item.id for item in slices.items if item.split != "test"}

    divided = folds(slices, seed=1)

    left = [{item.id for item in fold.of("val").items} for fold in divided]
    assert len(divided) == MEMBERS
    assert set().union(*left) == {name for name in known if not name.startswith("v")}
    assert sum(map(len, left)) == len(set().union(*left))
    for fold in divided:
        assert {item.id for item in fold.items} == known
        groups = [{item.group for item in fold.of(split).items} for split in ("train", "val")]
        assert not groups[0] & groups[1]
        assert {"v0", "v1"} <= groups[0]
