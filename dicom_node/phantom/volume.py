"""A box of Hounsfield units, and the shapes that are painted into it.

Patient coordinates in mm: x to the left, y to the back, z to the head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Point = tuple[float, float, float]
Points = NDArray[np.float64]

AIR_HU = -1000.0
_CHUNK = 2_000_000
_SMOOTH_MM = 2.0
"""Beads of a thick tube any further apart would show as rings."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Hounsfield units at the crossings of three axes; ``hu`` is (z, y, x), painted in place.

    ``step_mm`` are the distances along x, y and z, which may differ: a voxel that an edge
    crosses is filled in part, so that thick voxels show no terraces.
    """

    x: Array
    y: Array
    z: Array
    hu: Array
    step_mm: Point


def empty(x: Array, y: Array, z: Array) -> Volume:
    """Return a volume of air on these axes (ascending, mm)."""
    hu = np.full((z.size, y.size, x.size), AIR_HU, np.float32)
    return Volume(x, y, z, hu, (float(x[1] - x[0]), float(y[1] - y[0]), float(z[1] - z[0])))


def axis(first_mm: float, last_mm: float, count: int) -> Array:
    """Return ``count`` evenly spaced coordinates."""
    return np.linspace(first_mm, last_mm, count, dtype=np.float32)


def profile(z: Array, points: Sequence[tuple[float, float]]) -> Array:
    """Interpolate (z, value) points, ascending in z, at each z."""
    at, values = zip(*points, strict=True)
    at_each_z: Array = np.interp(z, at, values).astype(np.float32)
    return at_each_z


def barrel(
    volume: Volume,
    centre: tuple[Array, Array],
    half: tuple[Array, Array],
    roundness: float = 2.0,
) -> Array:
    """Weigh each voxel, 0 outside to 1 inside, of a body with a superellipse at each height.

    ``centre`` and ``half`` give x and y for each z; half widths of 0 or less end the body.
    """
    across, across_slope = _terms(volume.x, centre[0], half[0], roundness)
    along, along_slope = _terms(volume.y, centre[1], half[1], roundness)
    inside: Array = 1.0 - (along[:, :, None] + across[:, None, :])
    # What one voxel spans of the shape's own measure: the width of its edge.
    span = (
        along_slope[:, :, None] * volume.step_mm[1] + across_slope[:, None, :] * volume.step_mm[0]
    )
    inside /= span + np.float32(1e-4)
    inside += np.float32(0.5)
    np.clip(inside, 0, 1, out=inside)
    inside[np.minimum(half[0], half[1]) <= 0] = 0
    return inside


def _terms(line: Array, centre: Array, half: Array, power: float) -> tuple[Array, Array]:
    """Return (|line - centre| / half) ** power and its slope, each (z, line)."""
    size = np.maximum(half, np.float32(1e-3))[:, None]
    share = np.abs(line[None, :] - centre[:, None]) / size
    below: Array = share ** np.float32(power - 1)
    slope: Array = (below * np.float32(power) / size).astype(np.float32)
    return below * share, slope


def fill(volume: Volume, weight: Array, hu: float | Array) -> None:
    """Mix ``hu`` into the volume by ``weight``."""
    volume.hu[...] += weight * (hu - volume.hu)


def ellipsoid(volume: Volume, centre: Point, radii: Point, hu: float) -> None:
    """Paint an axis-parallel ellipsoid over whatever lies there."""
    at, weight = _beads(volume, np.array([centre]), np.array([radii]))
    flat = volume.hu.reshape(-1)
    flat[at] += weight * (np.float32(hu) - flat[at])


def tube(
    volume: Volume, path: Sequence[Point], radii: tuple[Point, Point], hu: float,
    *, hollow: bool = False,
) -> None:  # fmt: skip
    """Paint ellipsoids along a path, so dense that they join.

    Radii run from the first to the second given. A tube never lowers a voxel, a hollow one
    never raises one.
    """
    thinnest = min(*radii[0], *radii[1])
    step = max(min(0.6 * thinnest, _SMOOTH_MM), 0.8 * min(volume.step_mm))
    centres, shares = _along(path, step)
    sizes = np.asarray(radii[0]) + shares[:, None] * (np.asarray(radii[1]) - radii[0])
    beads(volume, centres, sizes, hu, hollow=hollow)


def beads(
    volume: Volume, centres: Points, radii: Points, hu: float,
    *, hollow: bool = False, within: tuple[float, float] | None = None,
) -> None:  # fmt: skip
    """Paint many ellipsoids (n, 3) of one kind at once; those that overlap join.

    They never lower a voxel, hollow ones never raise one; voxels whose HU lie outside
    ``within`` are left alone. Faster where all are of about one size.
    """
    box = np.prod(2 * np.ceil(radii.max(axis=0) / volume.step_mm) + 3)
    flat = volume.hu.reshape(-1)
    for part in np.array_split(np.arange(len(centres)), int(len(centres) * box / _CHUNK) + 1):
        at, weight = _beads(volume, centres[part], radii[part])
        before = flat[at]
        if within is not None:
            kept = (before >= within[0]) & (before <= within[1])
            at, weight, before = at[kept], weight[kept], before[kept]
        mixed = before + weight * (np.float32(hu) - before)
        (np.minimum if hollow else np.maximum).at(flat, at, mixed)


def _beads(volume: Volume, centres: Points, radii: Points) -> tuple[NDArray[np.int64], Array]:
    """Return the flat indices and weights of the voxels that ellipsoids (n, 3) touch.

    The weight is how far inside the edge a voxel lies, in voxels, clipped to 0..1.
    """
    indices, squares, slopes = [], [], []
    for dimension, line in enumerate((volume.x, volume.y, volume.z)):
        step = volume.step_mm[dimension]
        middle, radius = centres[:, dimension, None], radii[:, dimension, None]
        reach = int(np.ceil(radius.max() / step)) + 1
        index = np.rint((middle - line[0]) / step).astype(np.int64) + np.arange(-reach, reach + 1)
        share = np.abs(line[0] + index * step - middle) / radius
        share[(index < 0) | (index >= line.size)] = np.inf
        indices.append(index)
        squares.append((share * share).astype(np.float32))
        slopes.append((np.where(np.isinf(share), 0, share) * step / radius).astype(np.float32))
    distance = np.sqrt(_spread(squares)) + np.float32(1e-3)
    weight = np.clip((1 - distance) * distance / (_spread(slopes) + np.float32(1e-3)) + 0.5, 0, 1)
    touched = weight > 0
    columns, rows = volume.x.size, volume.y.size
    flat = _spread([indices[0], indices[1] * columns, indices[2] * columns * rows])
    return flat[touched], weight[touched].astype(np.float32)


def _spread(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Add the x, y and z parts, each (n, k), to boxes (n, kz, ky, kx)."""
    x, y, z = parts
    plane = y[:, :, None] + x[:, None, :]
    return z[:, :, None, None] + plane[:, None]  # type: ignore[no-any-return]


def _along(
    path: Sequence[Point], step_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Resample a path to even steps: points (n, 3), and the share of the way to each."""
    corners = np.asarray(path, np.float64)
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    at = np.linspace(0, way[-1], max(2, int(way[-1] / step_mm) + 2))
    points = [np.interp(at, way, corners[:, dimension]) for dimension in range(3)]
    return np.stack(points, axis=1), at / max(way[-1], 1e-6)
