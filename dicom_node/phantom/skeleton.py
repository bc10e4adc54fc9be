"""The bones of the chest: a dense shell around spongy bone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dicom_node.phantom.volume import Array, Point, Volume, ellipsoid, tube

_CORTEX_HU, _SPONGE_HU, _DISC_HU = 700.0, 220.0, 85.0
_VERTEBRA_MM = 22.5
_RIBS = 12
_FIRST_RIB_Z = 143.0
_FULLNESS = 2 / 2.4


@dataclass(frozen=True, slots=True, eq=False)
class Wall:
    """The chest wall that ribs follow: for each z, half width and depth around (0, back)."""

    z: Array
    half_width: Array
    half_depth: Array
    back: Array


def paint(volume: Volume, wall: Wall, *, arms_down: bool) -> None:
    """Paint spine, ribs, sternum and shoulder girdle."""
    _spine(volume)
    for side in (-1, 1):
        for number in range(1, _RIBS + 1):
            _rib(volume, wall, side, number)
        _shoulder(volume, side, arms_down=arms_down)
    tube(volume, [(0, -88, 78), (0, -97, 20), (0, -98, -58)], ((17, 6, 8), (13, 5, 8)),
         330)  # fmt: skip


def bone(volume: Volume, path: Sequence[Point], radii: Point, cortex_mm: float = 1.6) -> None:
    """Paint a long bone of constant thickness: cortex, then sponge inside it."""
    inner = tuple(max(r - cortex_mm, 0.4) for r in radii)
    tube(volume, path, (radii, radii), _CORTEX_HU)
    core = (inner[0], inner[1], inner[2])
    tube(volume, path, (core, core), _SPONGE_HU, hollow=True)


def _spine(volume: Volume) -> None:
    column = np.arange(-248.0, 235.0, _VERTEBRA_MM)
    path: list[Point] = [(0, _spine_y(float(z)), float(z)) for z in column]
    tube(volume, path, ((15, 13, 12), (14, 12, 12)), _DISC_HU)
    for x, y, z in path:
        width = 17.5 - 0.012 * (z + 60)
        half = _VERTEBRA_MM / 2 - 2.6
        # A stack of flat discs: the end plates of a vertebra are level, not round.
        for level, hu in ((-half, 480.0), (-0.5 * half, 210.0), (0.0, 195.0), (0.5 * half, 210.0),
                          (half, 480.0)):  # fmt: skip
            ellipsoid(volume, (x, y, z + level), (width, 14, half * 0.42), hu)
        for side in (-1, 1):
            bone(
                volume,
                [(side * 11.5, y + 13, z + 2), (side * 12, y + 20, z + 2)],
                (3.4, 5, 5),
                cortex_mm=1.0,
            )
            bone(
                volume,
                [(side * 12, y + 20, z + 2), (side * 31, y + 26, z + 3)],
                (3.5, 3, 4),
                cortex_mm=0.8,
            )
        bone(volume, [(0, y + 24, z), (0, y + 42, z - 14)], (3.2, 5, 6))


def _spine_y(z: float) -> float:
    """Return the depth of the vertebral bodies: a gentle kyphosis."""
    return 50.0 - 0.0011 * (z - 10) ** 2


def _rib(volume: Volume, wall: Wall, side: int, number: int) -> None:
    head = _FIRST_RIB_Z - _VERTEBRA_MM * (number - 1)
    last = (0.70, 0.76, 0.79, 0.80, 0.80, 0.79, 0.77, 0.72, 0.66, 0.60, 0.42, 0.30)[number - 1]
    drop = min(26 + 13.0 * number, 92.0)
    angle = np.linspace(0.15, last, 40) * np.pi
    z = head - drop * (1 - np.cos(angle)) / 2 + 5 * np.sin(angle)
    lowest = max(float(wall.z[0]), -140.0)
    level = np.clip(z, lowest, 122.0)
    width = np.interp(level, wall.z, wall.half_width)
    depth = np.interp(level, wall.z, wall.half_depth)
    back = np.interp(level, wall.z, wall.back)
    # The lungs are fuller than ellipses; so is the wall around them.
    x = side * width * np.sin(angle) ** _FULLNESS
    y = back + depth * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** _FULLNESS
    path: list[Point] = [
        (side * 14.0, _spine_y(head) + 10, head - 1),
        (side * 27.0, _spine_y(head) + 24, head + 1),
        (side * 42.0, float(y[0]) - 1, head + 1),
        *((float(a), float(b), float(c)) for a, b, c in zip(x, y, z, strict=True)),
    ]
    half = len(path) // 2
    bone(volume, path[: half + 1], (3.6, 3.6, 6.2), cortex_mm=1.3)
    bone(volume, path[half:], (3.2, 3.2, 5.6), cortex_mm=1.0)


def _shoulder(volume: Volume, side: int, *, arms_down: bool) -> None:
    if not arms_down:
        bone(volume, [(side * 20, -66, 92), (side * 60, -62, 108), (side * 105, -30, 132)],
             (5.5, 5.5, 5.5))  # fmt: skip
        bone(volume, [(side * 92, 78, 30), (side * 112, 66, 92), (side * 118, 40, 130)], (9, 4, 6))
        return
    bone(volume, [(side * 19, -60, 96), (side * 58, -58, 104), (side * 105, -34, 120),
                  (side * 160, 2, 128)], (6, 5.5, 5.5))  # fmt: skip
    bone(volume, [(side * 160, 2, 128), (side * 182, 12, 124)], (9, 10, 5))
    _scapula(volume, side)
    ellipsoid(volume, (side * 196, 10, 98), (25, 25, 25), 420)
    ellipsoid(volume, (side * 196, 10, 98), (22.5, 22.5, 22.5), 210)
    bone(volume, [(side * 205, 10, 82), (side * 214, 12, 20)], (13, 13, 13), cortex_mm=4)


def _scapula(volume: Volume, side: int) -> None:
    # Blade: thin bone in rows between the medial and the lateral border.
    for share in np.linspace(0, 1, 14):
        low = (side * (128 + 2 * share), 74.0, 0 + 8 * share)
        medial = (side * (112 - 4 * share), 84.0, 10 + 108 * share)
        lateral = (side * (130 + 38 * share), 74 - 44 * share, 4 + 98 * share)
        start = medial if share > 0.05 else low  # noqa: PLR2004 (the inferior angle is one point)
        tube(volume, [start, lateral], ((6, 1.2, 6), (6, 1.2, 6)), 160)
    bone(volume, [(side * 130, 74, 4), (side * 149, 54, 52), (side * 168, 30, 100)], (4, 4, 6))
    bone(volume, [(side * 110, 88, 92), (side * 150, 66, 112), (side * 182, 20, 126)], (4, 4, 5))
    bone(volume, [(side * 168, 26, 88), (side * 170, 24, 112)], (6, 8, 8))
