"""How much of the lung is hazy: a share of its volume, measured in Hounsfield units.

No network has a part in it. Ground-glass attenuation lies between aerated lung and soft tissue;
vessels, fissures and partial volume at the edges lie there too, but in strips, which an opening
removes (quantitative CT of lung disease counts high-attenuation areas alike, without the opening:
Lederer et al. 2009, doi:10.1164/rccm.200812-1966OC). The card says how the definition was chosen
and what it misses.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dicom_node.domain import Box, Sample
from models.lungs import Float, Lungs, Mask, mask_box

RANGE_HU: Final = (-650.0, -250.0)
"""Denser than aerated lung, less dense than consolidation, vessels and muscle."""
LEAST_WIDTH_MM: Final = 5.0
"""Haze narrower than this is taken for a vessel or an edge."""
MOST_MEDIAN_HU: Final = -750.0
"""Lungs denser than this as a whole were breathed out, or are ill throughout: not measured."""
LEAST_SLICES: Final = 5
MOST_SLICES: Final = 64
_GRID_MM: Final = 1.5
"""The measurement runs on pixels of about this size: noise is averaged out of thin ones."""
_CLOSED_MM: Final = 8.0
"""Gaps in the mask up to twice this width are lung: vessels, and dense lung at the pleura."""
_EDGE_MM: Final = 1.5
"""The mask's outermost rim mixes lung with chest wall and is left out."""
_MOST_HOLE_MM2: Final = 300.0
"""Larger holes in the mask are heart or diaphragm."""


@dataclass(frozen=True, slots=True)
class Haze:
    """The hazy part of the lung, 0 to 1, and where most of it lies: slice and box on it.

    The box is the whole slice where there is no haze at all.
    """

    share: float
    slices: int
    index: int
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    lung: Mask
    hazy: Mask
    median_hu: float


def definition(slices: int) -> str:
    """Return what the number means, in one sentence for the report."""
    low, high = RANGE_HU
    return (
        f"Share of the lungs' volume on {slices} slices with {low:.0f} to {high:.0f} HU in patches "
        f"at least {LEAST_WIDTH_MM:.0f} mm wide; consolidation, which is denser, is not counted."
    )


def _within(mask: Mask, distance: float) -> Mask:
    """Return the points at most ``distance`` pixels from the mask."""
    return np.asarray(ndimage.distance_transform_edt(~mask) <= distance)


def _inside(mask: Mask, distance: float) -> Mask:
    """Return the points of the mask more than ``distance`` pixels from its edge."""
    return np.asarray(ndimage.distance_transform_edt(mask) > distance)


def _closed(mask: Mask, spacing_mm: float) -> Mask:
    """Close gaps and small holes of the lungs, each lung for itself."""
    reach = _CLOSED_MM / spacing_mm
    pad = int(reach) + 2
    labels, count = ndimage.label(np.pad(mask, pad))
    whole = np.zeros(labels.shape, dtype=np.bool_)
    for number in range(1, count + 1):
        whole |= _inside(_within(labels == number, reach), reach)
    holes, _ = ndimage.label(ndimage.binary_fill_holes(whole) & ~whole)
    small = np.bincount(holes.ravel()) * spacing_mm**2 < _MOST_HOLE_MM2
    small[0] = False
    whole |= small[holes]
    return whole[pad:-pad, pad:-pad]


def _measured(plane: Float, mask: Mask, spacing_mm: float) -> _Plane:
    lung = _inside(_closed(mask, spacing_mm), _EDGE_MM / spacing_mm)
    low, high = RANGE_HU
    radius = LEAST_WIDTH_MM / 2 / spacing_mm
    core = _inside((plane > low) & (plane < high) & lung, radius)
    hazy = _within(core, radius) if core.any() else core
    median = float(np.median(plane[lung])) if lung.any() else -1000.0
    return _Plane(lung, hazy, median)


def _weights(sample: Sample, chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much of the body's length each slice stands for."""
    positions = np.asarray(sample.geometry.positions_mm, dtype=np.float64)
    if len(positions) != len(sample.pixels) or len(chosen) <= 1:
        return np.ones(len(chosen))
    return np.abs(np.gradient(positions[chosen]))


def measure(sample: Sample, lungs: Lungs, chosen: NDArray[np.int64]) -> Haze | None:
    """Measure the haze of a series in Hounsfield units on its lung slices ``chosen``.

    None where it cannot be measured: no trustworthy pixel spacing, too few slices, or lungs that
    are dense throughout.
    """
    spacing = sample.geometry.row_spacing_mm, sample.geometry.column_spacing_mm
    if spacing[0] is None or spacing[0] != spacing[1] or len(chosen) < LEAST_SLICES:
        return None
    step = max(1, round(_GRID_MM / spacing[0]))
    planes = []
    for index in chosen:
        smooth = ndimage.uniform_filter(sample.pixels[index], step)[
            step // 2 :: step, step // 2 :: step
        ]
        mask = _upsampled(lungs.mask[index], lungs.step / step, smooth.shape)
        planes.append(_measured(smooth, mask, spacing[0] * step))
    if float(np.median([plane.median_hu for plane in planes])) > MOST_MEDIAN_HU:
        return None
    weights = _weights(sample, chosen)
    areas = np.array([plane.hazy.sum() for plane in planes])
    lung = np.array([plane.lung.sum() for plane in planes])
    most = int(np.argmax(areas))
    rows, columns = sample.pixels.shape[1:]
    place = mask_box(planes[most].hazy, step, 0.0)
    return Haze(
        share=float((areas * weights).sum() / max(1.0, (lung * weights).sum())),
        slices=len(chosen),
        index=int(chosen[most]),
        box=Box(place.left, place.top, min(place.right, columns), min(place.bottom, rows)),
    )


def _upsampled(mask: Mask, factor: float, shape: tuple[int, ...]) -> Mask:
    """Return the nearest value of ``mask``, ``factor`` times as large, at each point."""
    rows, columns = (
        np.minimum((np.arange(size) / factor).astype(np.int64), have - 1)
        for size, have in zip(shape, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]
