"""The lungs of a film: outline, box, view, and the input that the network gets."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.domain import Box
from dicom_node.errors import ModelError, WeightsMismatch
from models import golden, registry
from models.cxr_lite import preprocess
from models.cxr_lungs import fields
from models.cxr_lungs.fields import LungFields
from models.cxr_lungs.model import CxrLungs
from models.imaging import Float

WHOLE = Box(0.0, 0.0, 480.0, 400.0)


def _disc(edge: int, x: float, y: float, radius: float) -> Float:
    axis = (np.arange(edge) + 0.5) / edge
    inside = (axis[np.newaxis] - x) ** 2 + (axis[:, np.newaxis] - y) ** 2 < radius**2
    return inside.astype(np.float32)


def _two(left: float = 0.3, right: float = 0.7, radius: float = 0.18) -> Float:
    return np.maximum(_disc(48, left, 0.5, radius), _disc(48, right, 0.5, radius))


def test_fields_of_two_discs_are_both_lungs_and_their_box_fits() -> None:
    found = fields.fields(_two(), WHOLE)

    around = found.around()
    assert found.both
    assert around.left == pytest.approx(480 * (0.12 - 0.05 * 0.76), abs=8)
    assert around.right == pytest.approx(480 * (0.88 + 0.05 * 0.76), abs=8)
    assert around.top == pytest.approx(400 * (0.32 - 0.05 * 0.36), abs=8)


@given(seed=st.integers(0, 200), radius=st.floats(0.0, 0.3))
@settings(max_examples=40, deadline=None)
def test_fields_of_anything_stay_inside_the_film(seed: int, radius: float) -> None:
    random = np.random.default_rng(seed)
    noise = random.random((48, 48)).astype(np.float32) * 0.7
    found = fields.fields(np.maximum(noise * 0.7, _disc(48, 0.4, 0.6, radius)), WHOLE)

    box = found.around()
    assert 0.0 <= box.left < box.right <= 480.0
    assert 0.0 <= box.top < box.bottom <= 400.0
    share = found.within(box, 24, 24)
    assert share.shape == (24, 24)
    assert 0.0 <= float(share.min()) <= float(share.max()) <= 1.0


def test_a_speck_is_no_second_lung_and_a_bite_is_closed() -> None:
    bitten = _two()
    bitten[20:28, 8:14] = 0.0
    speck = _disc(48, 0.3, 0.5, 0.2) + _disc(48, 0.9, 0.1, 0.03)

    assert fields.fields(bitten, WHOLE).mask[48, 20]
    assert not fields.fields(speck, WHOLE).both


def test_no_lungs_mean_the_whole_film() -> None:
    found = fields.fields(np.zeros((48, 48), dtype=np.float32), WHOLE)

    assert not found.found
    assert found.around() == WHOLE
    assert found.within(WHOLE, 4, 4).min() == 1.0


@given(gain=st.floats(0.3, 1.0), offset=st.floats(0.0, 0.3), around=st.floats(0.0, 1.0))
@settings(max_examples=20, deadline=None)
def test_view_depends_on_neither_exposure_nor_surround(
    gain: float, offset: float, around: float
) -> None:
    random = np.random.default_rng(5)
    film = random.random((400, 480)).astype(np.float32)
    lungs = fields.fields(_two(), WHOLE)
    outside = lungs.within(WHOLE, 400, 480) == 0.0
    other = np.where(outside, np.float32(around), film * np.float32(gain) + np.float32(offset))

    one = preprocess.network_input(fields.view(film, lungs))
    two = preprocess.network_input(fields.view(other.astype(np.float32), lungs))

    middle = lungs.within(lungs.around(), 192, 192) == 1.0
    assert np.abs(one[0] - two[0])[middle].mean() < 0.02
    np.testing.assert_array_equal(one[1], two[1])


def test_network_input_is_black_outside_the_lungs() -> None:
    film = np.ones((400, 480), dtype=np.float32) * 0.5
    film[::3] = 0.9
    lungs = fields.fields(_two(), WHOLE)

    shown, outline = preprocess.network_input(fields.view(film, lungs))

    assert shown.shape == outline.shape == (preprocess.EDGE, preprocess.EDGE)
    assert shown[4, 4] == outline[4, 4] == 0.0
    assert shown[96, 40] > 0.0
    assert outline[96, 40] == 1.0


def test_masked_widens_the_outline() -> None:
    film, mask = torch.ones(1, 1, 192, 192), torch.zeros(1, 1, 192, 192)
    mask[..., 60:130, 60:130] = 1.0

    assert preprocess.masked(film, mask, 0.05).sum() > preprocess.masked(film, mask, 0.0).sum()


def test_finder_finds_the_lungs_of_the_golden_film() -> None:
    finder = registry.open_model(registry.entry("cxr-lungs"), "cpu")

    assert isinstance(finder, CxrLungs)
    found = finder.find(golden.film().pixels)
    assert isinstance(found, LungFields)
    assert found.found
    assert 0.15 < found.mask.mean() < 0.6


def test_part_that_is_not_the_trained_one_is_refused() -> None:
    whole = registry.entry("cxr-lite").card()
    other = whole.parts[0].model_copy(update={"sha256": "f" * 64})

    with pytest.raises(WeightsMismatch, match="train cxr-lite anew"):
        registry.open_part(whole.model_copy(update={"parts": (other,)}), "cxr-lungs", "cpu")
    with pytest.raises(ModelError, match="does not name gate"):
        registry.open_part(whole, "gate", "cpu")
