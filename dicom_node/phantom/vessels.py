"""The vessel tree of a lung: grown from the hilum, each branch forking in two."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicom_node.phantom.volume import Points, Volume, beads

Numbers = NDArray[np.float64]

_BLOOD_HU = 40.0
_LUNG_HU = (-960.0, -150.0)
"""A branch that grows out of the lung, into the chest wall or the heart, is not painted there."""
_THINNEST_MM = 0.6
_FIRST_LENGTH_MM = 30.0

_ROOTS = np.array([
    (38, 8, 22, 0.45, -0.25, 0.85, 6.0),
    (40, 14, 20, 0.60, 0.40, 0.65, 5.3),
    (42, 2, 10, 0.80, -0.50, 0.10, 5.5),
    (44, 18, 8, 0.85, 0.45, -0.10, 5.3),
    (42, 16, 0, 0.45, 0.50, -0.75, 6.7),
    (42, 8, -2, 0.60, 0.00, -0.80, 6.2),
    (40, -4, 0, 0.55, -0.60, -0.55, 5.3),
    (42, 4, 14, 0.90, 0.05, 0.40, 4.2),
    (40, -6, 12, 0.50, -0.85, 0.25, 4.0),
    (42, 18, 10, 0.60, 0.80, 0.10, 4.0),
    (44, 10, 4, 0.90, 0.10, -0.40, 4.4),
    (40, 4, 22, 0.30, 0.10, 0.95, 4.2),
])  # fmt: skip
"""A lung's main branches: start (x, y, z) and direction, mirrored by side, and radius in mm."""


@dataclass(frozen=True, slots=True, eq=False)
class _Generation:
    """All branches after the same number of forks: (n, 3), (n, 3), (n,), (n,)."""

    start: Points
    way: Points
    radius: Numbers
    length: Numbers


def grow(volume: Volume, side: int, seed: int) -> None:
    """Paint the vessels of one lung (side -1 right, 1 left); the same seed, the same tree."""
    rng = np.random.default_rng((seed, 2, side + 1))
    mirror = np.array([side, 1, 1])
    branches = _Generation(
        start=_ROOTS[:, :3] * mirror,
        way=_unit(_ROOTS[:, 3:6] * mirror),
        radius=_ROOTS[:, 6],
        length=np.full(len(_ROOTS), _FIRST_LENGTH_MM),
    )
    while len(branches.start):
        bent = _unit(branches.way + rng.normal(0, 0.12, branches.way.shape))
        half = branches.length[:, None] / 2
        middle = branches.start + branches.way * half
        end = middle + bent * half
        _paint(volume, branches, middle, end)
        branches = _forked(branches, end, bent, rng)


def _paint(volume: Volume, branches: _Generation, middle: Points, end: Points) -> None:
    step = max(0.6 * float(branches.radius.min()), 0.8 * min(volume.step_mm))
    count = int(np.ceil(branches.length.max() / 2 / step)) + 1
    share = np.linspace(0, 1, count)[:, None, None]
    first = branches.start + share * (middle - branches.start)
    second = middle + share * (end - middle)
    centres = np.concatenate([first, second]).reshape(-1, 3)
    taper = np.linspace(1, 0.85, 2 * count)[:, None] * branches.radius
    radii = np.repeat(taper.reshape(-1, 1), 3, axis=1)
    beads(volume, centres, radii, _BLOOD_HU, within=_LUNG_HU)


def _forked(
    branches: _Generation, end: Points, way: Points, rng: np.random.Generator
) -> _Generation:
    """Fork every branch into a stronger and a weaker one; the thinnest end here."""
    count = len(end)
    sideways = _unit(np.cross(way, rng.normal(0, 1, way.shape)))
    shrink = np.concatenate([rng.uniform(0.76, 0.86, count), rng.uniform(0.62, 0.76, count)])
    spread = rng.uniform(0.35, 0.65, 2 * count) * 0.75 / shrink * np.repeat((1, -1), count)
    children = _Generation(
        start=np.tile(end, (2, 1)),
        way=_unit(np.tile(way, (2, 1)) + spread[:, None] * np.tile(sideways, (2, 1))),
        radius=np.tile(branches.radius, 2) * shrink,
        length=np.tile(branches.length, 2) * rng.uniform(0.72, 0.92, 2 * count),
    )
    kept = children.radius >= _THINNEST_MM
    return _Generation(
        children.start[kept], children.way[kept], children.radius[kept], children.length[kept]
    )


def _unit(vectors: Points) -> Points:
    unit: Points = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
