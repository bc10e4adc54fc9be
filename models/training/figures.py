"""Published CT figures: where the lungs lie in a picture of unknown window."""

from typing import Final

import numpy as np
from scipy import ndimage

from models.ct_lite.preprocess import Outline, View, grown, otsu, view
from models.imaging import Float, content_box, crop, resize, stretch
from models.lungs import Mask, inner_air

_EDGE: Final = 160
_LEAST_COMPONENT: Final = 0.008
_LEAST_LUNG: Final = 0.06
"""Less inner air than this part of a figure is no lung; the whole figure is taken then."""
_LEAST_WIDTH: Final = 0.45
"""Lungs reach over this part of the body's width; less is half of them."""
_HAZY: Final = 0.68
"""Up to this part of the way from lung to tissue a grey still counts as lung."""


def _inner(small: Float, threshold: float) -> Mask:
    """Return inner air, without what touches the frame where enough is left.

    Lungs of a closely cut figure touch the frame; where they do not, what does is air around the
    patient.
    """
    air = inner_air(ndimage.binary_opening(small < threshold), _LEAST_COMPONENT)
    labels, count = ndimage.label(air)
    frame = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    free = np.bincount(frame, minlength=count + 1) == 0
    free[0] = False
    inside = free[labels]
    enough = inside.mean() >= _LEAST_LUNG and _is_wide(inside, small >= threshold)
    return np.asarray(inside if enough else air)


def _is_wide(lung: Mask, tissue: Mask) -> bool:
    """Tell whether lungs reach over enough of the body's width to be both."""
    used, body = np.flatnonzero(lung.any(axis=0)), np.flatnonzero(tissue.any(axis=0))
    return bool(used.size and np.ptp(used) >= _LEAST_WIDTH * np.ptp(body))


def _lungs(small: Float) -> Mask:
    """Return the lungs of a stretched figure, empty where they cannot be found.

    The first threshold parts lung from tissue; in a mediastinal window it parts tissue from bone
    and contrast, and a second one below it is needed. Then hazy lung is taken in.
    """
    threshold = otsu(small)
    lung = _inner(small, threshold)
    if lung.mean() < _LEAST_LUNG:
        threshold = otsu(small[small < threshold])
        lung = _inner(small, threshold)
    if lung.mean() < _LEAST_LUNG / 2:
        return np.zeros_like(lung)
    dark, tissue = float(np.median(small[lung])), float(np.median(small[small >= threshold]))
    lung |= _inner(small, max(threshold, dark + _HAZY * (tissue - dark)))
    found = lung.mean() >= _LEAST_LUNG and _is_wide(lung, small >= threshold)
    return lung if found else np.zeros_like(lung)


def outline(pixels: Float) -> Outline:
    """Return the outline of the lungs in a figure, 0 to 1; the whole figure where none is found."""
    rows, columns = pixels.shape
    lung = _lungs(stretch(resize(pixels, _EDGE, _EDGE)))
    shown = grown(lung)
    if not lung.any():
        lung, shown = np.ones_like(lung), np.ones_like(lung)
    return Outline(lung, shown, rows / _EDGE, columns / _EDGE)


def seen(pixels: Float) -> View:
    """Return the network's view of a figure, 0 to 1, without its flat frame."""
    whole = crop(pixels, content_box(pixels))
    return view(whole, outline(whole))


def prepare(pixels: Float) -> Float:
    """Return the prepared slice (216, 216) of a figure, that training views are cut from."""
    return seen(pixels).pixels
