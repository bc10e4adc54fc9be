"""From a CT slice, in Hounsfield units or as a published figure, to the network's input."""

from typing import Final

import numpy as np
from scipy import ndimage

from dicom_node.domain import Box
from models.imaging import Float, resize, squared, stretch
from models.lungs import inner_air, mask_box

WINDOW_HU: Final = (-1350.0, 150.0)
"""The usual lung window, level -600 and width 1500: what the training figures show."""
MARGIN: Final = 0.04
_FIGURE_EDGE: Final = 160
_OTSU_BINS: Final = 64
_LEAST_COMPONENT: Final = 0.01
_LEAST_LUNG: Final = 0.06
"""Less inner air than this part of a figure is no lung; the whole figure is taken then."""


def windowed(hounsfield: Float) -> Float:
    """Return the lung window as 0 to 1."""
    low, high = WINDOW_HU
    window: Float = np.clip((hounsfield - low) / (high - low), 0.0, 1.0).astype(np.float32)
    return window


def _otsu(pixels: Float) -> float:
    """Return the threshold that parts the histogram best (Otsu 1979)."""
    counts, edges = np.histogram(pixels, bins=_OTSU_BINS, range=(0.0, 1.0))
    middles = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), counts.sum() - np.cumsum(counts)
    mass = np.cumsum(counts * middles)
    mean_below = mass / np.maximum(below, 1)
    mean_above = (mass[-1] - mass) / np.maximum(above, 1)
    return float(edges[1:][np.argmax(below * above * (mean_above - mean_below) ** 2)])


def figure_box(pixels: Float) -> Box:
    """Return the box around the lungs of a published figure, 0 to 1, of unknown window."""
    rows, columns = pixels.shape
    small = stretch(resize(pixels, _FIGURE_EDGE, _FIGURE_EDGE))
    dark = ndimage.binary_opening(small < _otsu(small))
    lung = inner_air(dark, _LEAST_COMPONENT)
    if lung.mean() < _LEAST_LUNG:
        return Box(0, 0, columns, rows)
    box = mask_box(lung, 1, MARGIN)
    fx, fy = columns / _FIGURE_EDGE, rows / _FIGURE_EDGE
    return Box(box.left * fx, box.top * fy, box.right * fx, box.bottom * fy)


def prepare_figure(pixels: Float) -> Float:
    """Return the canonical slice (240, 240) of a figure, that training images are cut from."""
    return squared(pixels, figure_box(pixels)).pixels
