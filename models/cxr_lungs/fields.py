"""Where the lungs of a film lie, and the view of a film through them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.morphology import convex_hull_image

from dicom_node.domain import Box
from models.imaging import CANONICAL_EDGE, CLIP, Float, equalise

Mask = NDArray[np.bool_]

_GRID_EDGE: Final = 96
_LEAST_PART: Final = 0.15
"""A second lung smaller than this part of the first is a speck."""
_LEAST_AREA: Final = 0.06
"""Lungs that fill less of the film than this are not lungs."""
_MARGIN: Final = 0.05
"""What the view shows around the lungs, relative to their width and height."""
_PERCENTILES: Final = (1.0, 99.0)


@dataclass(frozen=True, slots=True, eq=False)
class LungFields:
    """The outlined lungs: ``mask`` (96, 96) over ``box``, which is in source pixels.

    ``both``: two lungs of comparable size were found, each closed to its convex hull so that
    consolidation at the wall is not cut out. Without any lung the mask is empty.
    """

    mask: Mask
    box: Box
    both: bool

    @property
    def found(self) -> bool:
        """Whether anything was outlined."""
        return bool(self.mask.any())

    def around(self) -> Box:
        """Return the box around the lungs with a margin, inside ``box``; else all of ``box``."""
        if not self.found:
            return self.box
        rows, columns = np.flatnonzero(self.mask.any(axis=1)), np.flatnonzero(self.mask.any(axis=0))
        top, bottom = float(rows[0]) / _GRID_EDGE, float(rows[-1] + 1) / _GRID_EDGE
        left, right = float(columns[0]) / _GRID_EDGE, float(columns[-1] + 1) / _GRID_EDGE
        dy, dx = _MARGIN * (bottom - top), _MARGIN * (right - left)
        width, height = self.box.right - self.box.left, self.box.bottom - self.box.top
        return Box(
            self.box.left + max(0.0, left - dx) * width,
            self.box.top + max(0.0, top - dy) * height,
            self.box.left + min(1.0, right + dx) * width,
            self.box.top + min(1.0, bottom + dy) * height,
        )

    def within(self, box: Box, rows: int, columns: int) -> Float:
        """Return how much of each pixel of ``box`` (rows, columns) is lung, 0 to 1.

        ``box`` lies inside the fields' own; all ones where no lung was found.
        """
        if not self.found:
            return np.ones((rows, columns), dtype=np.float32)
        fx = _GRID_EDGE / (self.box.right - self.box.left)
        fy = _GRID_EDGE / (self.box.bottom - self.box.top)
        part = Box(
            (box.left - self.box.left) * fx,
            (box.top - self.box.top) * fy,
            (box.right - self.box.left) * fx,
            (box.bottom - self.box.top) * fy,
        )
        return np.clip(resized(self.mask.astype(np.float32), part, rows, columns), 0.0, 1.0)


def resized(pixels: Float, box: Box, rows: int, columns: int) -> Float:
    """Return ``box`` of an image, to parts of a pixel, resized to (rows, columns)."""
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    limits = (
        max(0.0, box.left),
        max(0.0, box.top),
        min(float(image.width), box.right),
        min(float(image.height), box.bottom),
    )
    shrunk = image.resize((columns, rows), Image.Resampling.BILINEAR, box=limits)
    return np.asarray(shrunk, dtype=np.float32)


def fields(probability: Float, box: Box) -> LungFields:
    """Return the lungs in a map of probabilities (square) that covers ``box`` of a film."""
    edge = probability.shape[0]
    fine = resized(probability, Box(0, 0, edge, edge), _GRID_EDGE, _GRID_EDGE)
    labels, count = ndimage.label(fine > 0.5)  # noqa: PLR2004  # more likely lung than not
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    lungs = [int(k) for k in np.argsort(-sizes)[:2] if sizes[k] > _LEAST_PART * sizes.max()]
    mask = np.zeros((_GRID_EDGE, _GRID_EDGE), dtype=np.bool_)
    both = len(lungs) == 2  # noqa: PLR2004
    for lung in lungs:
        own = labels == lung
        mask |= convex_hull_image(own) if both else own  # type: ignore[no-untyped-call]  # skimage
    if mask.mean() < _LEAST_AREA:
        return LungFields(np.zeros_like(mask), box, both=False)
    return LungFields(mask, box, both)


@dataclass(frozen=True, slots=True, eq=False)
class LungView:
    """A film cut to its lungs: ``pixels`` and ``mask`` float32 (240, 240), 0 to 1.

    The greys are equalised by the lungs alone, so that neither exposure nor what lies around
    the lungs tells where a film comes from. ``box``: the part of the film, in source pixels.
    """

    pixels: Float
    mask: Float
    box: Box


def view(pixels: Float, lungs: LungFields) -> LungView:
    """Cut a film (rows, columns) to its lungs."""
    box = lungs.around()
    mask = lungs.within(box, CANONICAL_EDGE, CANONICAL_EDGE)
    film = resized(pixels, box, CANONICAL_EDGE, CANONICAL_EDGE)
    inside = mask > 0.5  # noqa: PLR2004
    low, high = np.percentile(film[inside], _PERCENTILES)
    spread = max(float(high - low), float(np.finfo(np.float32).eps))
    stretched = np.clip((film - low) / spread, 0.0, 1.0).astype(np.float32)
    return LungView(equalise(stretched, CLIP, within=inside), mask, box)
