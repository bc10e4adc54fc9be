"""Images made alike."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.domain import Box
from models import golden, imaging

sizes = st.integers(min_value=20, max_value=400)


def _picture(rows: int, columns: int, seed: int) -> imaging.Float:
    random = np.random.default_rng(seed)
    coarse = random.random((6, 6)).astype(np.float32)
    return np.clip(imaging.resize(coarse, rows, columns), 0.0, 1.0)


@given(rows=sizes, columns=sizes, seed=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_canonical_is_square_bounded_and_its_box_inside(rows: int, columns: int, seed: int) -> None:
    film = imaging.canonical(_picture(rows, columns, seed))

    assert film.pixels.shape == (imaging.CANONICAL_EDGE, imaging.CANONICAL_EDGE)
    assert film.pixels.dtype == np.float32
    assert 0.0 <= float(film.pixels.min()) <= float(film.pixels.max()) <= 1.0
    for box in (film.box, imaging.seen(film.box)):
        assert 0 <= box.left < box.right <= columns
        assert 0 <= box.top < box.bottom <= rows


@given(gamma=st.floats(0.5, 2.0), low=st.floats(0.0, 0.3), high=st.floats(0.6, 1.0))
@settings(max_examples=20, deadline=None)
def test_canonical_hardly_depends_on_exposure(gamma: float, low: float, high: float) -> None:
    film = golden.film().pixels
    changed = (low + (high - low) * film**gamma).astype(np.float32)

    one, other = imaging.canonical(film).pixels, imaging.canonical(changed).pixels

    assert float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) > 0.97


@given(seed=st.integers(0, 100), clip=st.floats(1.0, 6.0))
@settings(max_examples=25, deadline=None)
def test_equalise_keeps_the_order_of_greys(seed: int, clip: float) -> None:
    values = np.random.default_rng(seed).random((32, 32)).astype(np.float32)

    equal = imaging.equalise(values, clip)

    order = np.argsort(values, axis=None)
    assert bool((np.diff(equal.ravel()[order]) >= 0).all())


def test_stretch_of_a_constant_image_is_zero() -> None:
    assert not imaging.stretch(np.full((8, 8), 0.4, dtype=np.float32)).any()


def test_content_box_leaves_collimated_borders_out() -> None:
    film = np.zeros((300, 400), dtype=np.float32)
    film[30:270, 60:340] = _picture(240, 280, 1)

    box = imaging.content_box(film)

    expected = Box(60, 30, 340, 270)
    for side in ("left", "top", "right", "bottom"):
        assert abs(getattr(box, side) - getattr(expected, side)) < 8


def test_content_box_never_cuts_more_than_allowed() -> None:
    film = np.zeros((200, 200), dtype=np.float32)
    film[90:110, 90:110] = _picture(20, 20, 2)

    assert imaging.content_box(film) == Box(0, 0, 200, 200)


def test_both_polarities_equal_two_separate_preparations() -> None:
    film = golden.film().pixels

    plain, inverted = imaging.both_polarities(film)

    np.testing.assert_allclose(plain, imaging.canonical(film).pixels, atol=1e-6)
    np.testing.assert_allclose(inverted, imaging.canonical(1.0 - film).pixels, atol=0.02)
