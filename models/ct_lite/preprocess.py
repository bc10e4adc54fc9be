"""From a CT slice and its lungs to the network's input; the same for training and serving.

The greys are tied to the slice itself, air in the lung black and soft tissue white, because a
published figure tells neither its window nor its Hounsfield units. What lies outside the convex
outline of both lungs is painted as tissue: no evidence can come from there.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_node.domain import Box
from models.imaging import Float, resize
from models.lungs import AIR_HU, Lungs, Mask, hull

WINDOW_HU: Final = (-1350.0, 150.0)
"""The usual lung window, level -600 and width 1500: what most of the training figures show."""
EDGE: Final = 192
"""Edge of the network's input."""
PREPARED_EDGE: Final = 216
"""Edge of prepared slices: what training keeps and cuts its random views from."""
_MARGIN: Final = (PREPARED_EDGE - EDGE) // 2
_BEYOND: Final = 0.07
"""The box goes this part of its size beyond the outline, so that the cut keeps all of it."""
_DARK_PERCENTILE: Final = 3.0
_LEAST_CONTRAST: Final = 0.05
_GROWN: Final = 2
"""The outline is widened by so many grid points: pleura and the edge of the mask."""
_LEAST_POCKET: Final = 20
"""Pockets of air beside the lungs of so many grid points are painted over: airways, bowel."""
_OTSU_BINS: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Lungs of one slice on a coarse grid.

    ``lung``: aerated lung. ``shown``: what the network may see. ``rows`` and ``columns``: source
    pixels for each grid point.
    """

    lung: Mask
    shown: Mask
    rows: float
    columns: float


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A slice as the network sees it.

    ``pixels``: (216, 216), 0 to 1. ``shown``: (216, 216), 1 inside the outline. ``box``: the part
    of the source image that both cover.
    """

    pixels: Float
    shown: Float
    box: Box


def windowed(hounsfield: Float) -> Float:
    """Return the lung window as 0 to 1."""
    low, high = WINDOW_HU
    window: Float = np.clip((hounsfield - low) / (high - low), 0.0, 1.0).astype(np.float32)
    return window


def otsu(pixels: NDArray[np.floating]) -> float:
    """Return the threshold that parts greys, 0 to 1, best (Otsu 1979)."""
    counts, edges = np.histogram(pixels, bins=_OTSU_BINS, range=(0.0, 1.0))
    middles = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), counts.sum() - np.cumsum(counts)
    mass = np.cumsum(counts * middles)
    mean_below = mass / np.maximum(below, 1)
    mean_above = (mass[-1] - mass) / np.maximum(above, 1)
    return float(edges[1:][np.argmax(below * above * (mean_above - mean_below) ** 2)])


def grown(mask: Mask) -> Mask:
    """Return the convex hull of a mask, widened a little."""
    return np.asarray(ndimage.binary_dilation(hull(mask), iterations=_GROWN))


def outline(hounsfield: Float, found: Lungs, index: int) -> Outline:
    """Return the outline of one slice (rows, columns) of a series."""
    lung, step = found.mask[index], found.step
    air = hounsfield[step // 2 :: step, step // 2 :: step] < AIR_HU
    labels, count = ndimage.label(air)
    touched = np.bincount(labels[lung], minlength=count + 1) > 0
    pocket = ~touched & (np.bincount(labels.ravel(), minlength=count + 1) >= _LEAST_POCKET)
    pocket[0] = False
    hidden = ndimage.binary_dilation(pocket[labels], iterations=_GROWN) & ~lung
    return Outline(lung, grown(lung) & ~hidden, float(step), float(step))


def _levels(small: Float, lung: Mask) -> tuple[float, float]:
    """Return the greys of air in the lung and of soft tissue."""
    tissue = small[small >= min(otsu(small), float(small.max()))]
    dark = float(np.percentile(small[lung], _DARK_PERCENTILE))
    return dark, max(float(np.median(tissue)), dark + _LEAST_CONTRAST)


def _box(shown: Mask, rows: float, columns: float, shape: tuple[int, ...]) -> Box:
    used_rows, used_columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    dy = _BEYOND * (used_rows[-1] + 1 - used_rows[0])
    dx = _BEYOND * (used_columns[-1] + 1 - used_columns[0])
    return Box(
        max(0.0, (used_columns[0] - dx) * columns),
        max(0.0, (used_rows[0] - dy) * rows),
        min(float(shape[1]), (used_columns[-1] + 1 + dx) * columns),
        min(float(shape[0]), (used_rows[-1] + 1 + dy) * rows),
    )


def view(greys: Float, lungs: Outline) -> View:
    """Return the network's view of a slice in greys, 0 to 1; the outline must not be empty."""
    rows, columns = lungs.lung.shape
    size = round(rows * lungs.rows), round(columns * lungs.columns)
    dark, tissue = _levels(resize(greys, rows, columns), lungs.lung)
    box = _box(lungs.shown, lungs.rows, lungs.columns, greys.shape)
    part = slice(int(box.top), round(box.bottom)), slice(int(box.left), round(box.right))
    veil = resize(lungs.shown.astype(np.float32), *size)
    veil = np.pad(
        veil,
        [(0, max(0, have - got)) for have, got in zip(greys.shape, size, strict=True)],
        mode="edge",
    )[part]
    normal = np.clip((greys[part] - dark) / (tissue - dark), 0.0, 1.0)
    painted = (1.0 - veil * (1.0 - normal)).astype(np.float32)
    return View(
        resize(painted, PREPARED_EDGE, PREPARED_EDGE),
        resize(veil, PREPARED_EDGE, PREPARED_EDGE),
        box,
    )


def cut(pixels: Float) -> Float:
    """Return a network's input: the central part of a prepared slice or of its outline."""
    return pixels[_MARGIN : _MARGIN + EDGE, _MARGIN : _MARGIN + EDGE]


def seen(box: Box) -> Box:
    """Return the part of the source image that a network saw of a view's box."""
    part = _MARGIN / PREPARED_EDGE
    dx, dy = part * (box.right - box.left), part * (box.bottom - box.top)
    return Box(box.left + dx, box.top + dy, box.right - dx, box.bottom - dy)
