"""Where the lungs lie in a chest CT: air inside the body that is not plain gas, by morphology.

Thresholds, connected components and openings (scipy.ndimage), slice by slice. Consolidated lung
is no air: the outline leaves it out, and `outline` takes it in again by closing convexly.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from dicom_node.domain import Box, Sample

Mask = NDArray[np.bool_]
Float = NDArray[np.float32]

AIR_HU: Final = -400.0
BODY_HU: Final = -300.0
GAS_HU: Final = -930.0
"""Air pockets whose median lies below this are stomach, bowel or airway: lung holds blood."""
_GAS_BELOW_LUNG_HU: Final = 60.0
"""So far must gas lie below the lungs of the same series, which emphysema brings down to -950."""
_GRID_EDGE: Final = 160
"""The search runs on a subsampled volume of about this edge."""
_MIN_COMPONENT: Final = 0.004
"""Air pockets smaller than this part of a slice (airways, bowel) are left out."""
_PIECE: Final = 0.12
"""A piece of tissue counts as trunk from this part of the largest one."""
_ASSUMED_SPACING_MM: Final = 0.75
"""In-plane spacing where the header gives none that can be trusted."""


@dataclass(frozen=True, slots=True, eq=False)
class Lungs:
    """Air inside the body that is lung, slice by slice.

    ``area_cm2`` and ``body_cm2``: one value for each slice. ``width_cm`` and ``depth_cm``: the
    extent of the lungs over the whole series. ``both_sides``: slices with lung on either side
    of the body's middle. ``mask``: (slices, rows / step, columns / step).
    """

    area_cm2: NDArray[np.float64]
    body_cm2: NDArray[np.float64]
    both_sides: Mask
    width_cm: float
    depth_cm: float
    mask: Mask
    step: int

    @property
    def share(self) -> NDArray[np.float64]:
        """Lung as a part of the body's cross-section, for each slice."""
        return self.area_cm2 / np.maximum(self.body_cm2, 1.0)

    def slices(self, least_share: float) -> NDArray[np.int64]:
        """Return the indices of slices with lung on both sides and at least that share."""
        return np.flatnonzero((self.share >= least_share) & self.both_sides)

    def box(self, index: int, margin: float) -> Box:
        """Return the box around the lungs of one slice, in source pixels.

        ``margin`` is a part of the box's own size. The whole slice where there is no lung.
        """
        return mask_box(self.mask[index], self.step, margin)


def mask_box(mask: Mask, step: int, margin: float) -> Box:
    """Return the box around a mask, grown by ``margin`` of its size, in source pixels."""
    rows, columns = (float(size * step) for size in mask.shape)
    used_rows, used_columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if used_rows.size == 0:
        return Box(0.0, 0.0, columns, rows)
    top, bottom = float(used_rows[0] * step), float((used_rows[-1] + 1) * step)
    left, right = float(used_columns[0] * step), float((used_columns[-1] + 1) * step)
    dy, dx = margin * (bottom - top), margin * (right - left)
    return Box(
        max(0.0, left - dx), max(0.0, top - dy), min(columns, right + dx), min(rows, bottom + dy)
    )


def inner_air(air: Mask, least: float) -> Mask:
    """Return the air of one slice that neither holds a corner nor lies along the edge.

    Air outside the patient fills the corners; lungs of a closely cut figure may touch an edge
    but do not run along it. ``least`` is the smallest component kept, as a part of the slice.
    """
    labels, count = ndimage.label(air)
    if count == 0:
        return np.zeros_like(air)
    frame = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    along_edge = np.bincount(frame, minlength=count + 1) > 0.12 * frame.size
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    keep = (sizes >= least * air.size) & ~along_edge
    keep[[0, *labels[[0, 0, -1, -1], [0, -1, 0, -1]]]] = False
    return np.asarray(keep[labels])


def hull(mask: Mask) -> Mask:
    """Return the convex hull of a mask's points; the mask itself where it has no area."""
    rows, columns = np.nonzero(mask)
    try:
        corners = ConvexHull(np.column_stack((columns, rows)))
    except (QhullError, ValueError):
        return mask
    drawn = Image.new("1", mask.shape[::-1])
    outline = [(float(x), float(y)) for x, y in corners.points[corners.vertices]]
    ImageDraw.Draw(drawn).polygon(outline, fill=1, outline=1)
    return np.asarray(drawn, dtype=np.bool_) | mask


def _trunk(tissue: Mask) -> Mask:
    """Return the large pieces of tissue (a thin chest wall may part them), without clothes."""
    labels, count = ndimage.label(ndimage.binary_opening(tissue))
    if count == 0:
        return np.zeros_like(tissue)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray((sizes > _PIECE * sizes.max())[labels])


def _surrounded(trunk: Mask) -> Mask:
    """Return where the trunk lies on all four sides; holds where a thin chest wall is broken."""
    inside = np.ones_like(trunk)
    for axis in (0, 1):
        inside &= np.logical_or.accumulate(trunk, axis=axis)
        inside &= np.flip(np.logical_or.accumulate(np.flip(trunk, axis), axis=axis), axis)
    return inside


def _mostly(air: Mask, inside: Mask) -> Mask:
    """Return the components of ``air`` that lie inside by more than four fifths."""
    labels, count = ndimage.label(air)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    within = np.bincount(labels[inside], minlength=count + 1)
    keep = within > 0.8 * sizes
    keep[0] = False
    return np.asarray(keep[labels])


def _without_gas(volume: Float, air: Mask) -> Mask:
    """Leave out the components of each slice that are gas through and through."""
    if not air.any():
        return air
    limit = min(GAS_HU, float(np.median(volume[air])) - _GAS_BELOW_LUNG_HU)
    kept = np.zeros_like(air)
    for index, plane in enumerate(volume):
        labels, count = ndimage.label(air[index])
        inner = np.where(ndimage.binary_erosion(air[index]), labels, 0)
        medians = ndimage.median(plane, inner, np.arange(count + 1))
        lung = np.nan_to_num(medians, nan=-np.inf) >= limit
        lung[0] = False
        kept[index] = lung[labels]
    return kept


def _sides(lung: Mask, body: Mask) -> bool:
    columns = np.flatnonzero(body.any(axis=0))
    if columns.size == 0:
        return False
    middle = int(columns.mean())
    half = 0.15 * lung.sum()
    return bool(lung[:, :middle].sum() > half and lung[:, middle:].sum() > half)


def _extent_cm(mask: Mask, axis: int, spacing_mm: float) -> float:
    used = np.flatnonzero(mask.any(axis=(0, axis)))
    return 0.0 if used.size == 0 else float((used[-1] - used[0] + 1) * spacing_mm / 10.0)


def find(sample: Sample) -> Lungs:
    """Find the lungs of a CT sample in Hounsfield units."""
    _, rows, columns = sample.pixels.shape
    step = max(1, round(max(rows, columns) / _GRID_EDGE))
    volume = sample.pixels[:, step // 2 :: step, step // 2 :: step]
    dy = (sample.geometry.row_spacing_mm or _ASSUMED_SPACING_MM) * step
    dx = (sample.geometry.column_spacing_mm or _ASSUMED_SPACING_MM) * step
    air = np.zeros(volume.shape, dtype=np.bool_)
    body = np.zeros_like(air)
    for index, plane in enumerate(volume):
        trunk = _trunk(plane > BODY_HU)
        pockets = inner_air(ndimage.binary_opening(plane < AIR_HU), _MIN_COMPONENT)
        air[index] = _mostly(pockets, _surrounded(trunk))
        body[index] = trunk | air[index]
    mask = _without_gas(volume, air)
    return Lungs(
        area_cm2=mask.sum(axis=(1, 2)) * dx * dy / 100.0,
        body_cm2=body.sum(axis=(1, 2)) * dx * dy / 100.0,
        both_sides=np.array([_sides(m, b) for m, b in zip(mask, body, strict=True)], dtype=bool),
        width_cm=_extent_cm(mask, 1, dx),
        depth_cm=_extent_cm(mask, 2, dy),
        mask=mask,
        step=step,
    )
