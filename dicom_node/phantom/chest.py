"""An analytic chest: no patient's, drawn from a table of shapes.

Sizes are those of an adult of average build; a seed varies build, heart and vessels by a few
per cent. Origin: midline, middle of the chest, 30 mm below the carina.
"""

from dataclasses import dataclass

import numpy as np

from dicom_node.phantom import skeleton, vessels
from dicom_node.phantom.volume import (
    AIR_HU,
    Array,
    Point,
    Volume,
    barrel,
    ellipsoid,
    fill,
    profile,
    tube,
)

FAT_HU, MUSCLE_HU, BLOOD_HU, LIVER_HU = -100.0, 50.0, 42.0, 58.0
LUNG_HU = -865.0

_WIDTH = (
    (-230, 158),
    (-100, 164),
    (0, 168),
    (60, 172),
    (120, 150),
    (160, 105),
    (185, 68),
    (230, 62),
)
_WIDTH_ARMS_DOWN = (
    (-230, 158), (-100, 164), (0, 172), (50, 196), (80, 226), (112, 232), (132, 205),
    (150, 140), (168, 92), (185, 68), (230, 62),
)  # fmt: skip
_DEPTH = ((-230, 106), (-60, 112), (30, 110), (90, 98), (130, 78), (165, 64), (230, 60))

_LUNG_MIDDLE = ((-160, 80), (-60, 78), (0, 75), (50, 68), (90, 59), (115, 52), (128, 49))
_LUNG_WIDTH = ((-160, 64), (-60, 62), (0, 58), (50, 50), (90, 39), (115, 26), (126, 12), (129, 0))
_LUNG_DEPTH = ((-160, 84), (-60, 90), (0, 88), (50, 76), (90, 56), (115, 32), (126, 14), (129, 0))
_LUNG_BACK = ((-160, 8), (0, 2), (60, 4), (128, 12))


@dataclass(frozen=True, slots=True)
class Build:
    """How this chest differs from the average: factors around 1, and the seed of its vessels."""

    seed: int
    lung: float
    heart: float
    fat_mm: float
    arms_down: bool


def build(seed: int, *, arms_down: bool) -> Build:
    """Vary the average chest by ``seed``."""
    rng = np.random.default_rng((seed, 1))
    return Build(
        seed=seed,
        lung=float(rng.uniform(0.97, 1.02)),
        heart=float(rng.uniform(0.95, 1.04)),
        fat_mm=float(rng.uniform(10, 15)),
        arms_down=arms_down,
    )


def paint(volume: Volume, who: Build) -> None:
    """Paint the whole chest into a volume of air."""
    _trunk(volume, who)
    _abdomen(volume)
    for side in (-1, 1):
        _lung(volume, side, who)
    _mediastinum(volume)
    for side in (-1, 1):
        vessels.grow(volume, side, who.seed)
    _heart(volume, who.heart)
    _airways(volume)
    skeleton.paint(volume, chest_wall(volume.z, who), arms_down=who.arms_down)


def chest_wall(z: Array, who: Build) -> skeleton.Wall:
    """Return where the ribs run: around both lungs, a little outside."""
    margin = 6.0
    return skeleton.Wall(
        z=z,
        half_width=(profile(z, _LUNG_MIDDLE) + profile(z, _LUNG_WIDTH)) * who.lung + margin,
        half_depth=profile(z, _LUNG_DEPTH) * who.lung + margin,
        back=profile(z, _LUNG_BACK),
    )


def _trunk(volume: Volume, who: Build) -> None:
    z = volume.z
    zero = np.zeros_like(z)
    width = profile(z, _WIDTH_ARMS_DOWN if who.arms_down else _WIDTH)
    depth = profile(z, _DEPTH)
    fill(volume, barrel(volume, (zero, zero), (width, depth), 2.4), FAT_HU)
    inner = (width - who.fat_mm, depth - who.fat_mm * 0.7)
    fill(volume, barrel(volume, (zero, zero), inner, 2.4), MUSCLE_HU)


def _abdomen(volume: Volume) -> None:
    z = volume.z
    zero = np.zeros_like(z)
    inside = np.where(z < -60, 1.0, 0.0).astype(np.float32)  # noqa: PLR2004 (below the domes)
    cavity = barrel(volume, (zero, zero + 2), (132 * inside, 82 * inside), 2.3)
    fill(volume, cavity, FAT_HU + 25)
    ellipsoid(volume, (-62, 5, -128), (72, 78, 62), LIVER_HU)
    ellipsoid(volume, (5, -30, -120), (55, 40, 34), LIVER_HU)
    ellipsoid(volume, (88, 42, -128), (34, 38, 44), LIVER_HU - 8)
    ellipsoid(volume, (62, -12, -132), (44, 48, 42), 30)
    ellipsoid(volume, (66, -32, -116), (25, 20, 14), -960)
    ellipsoid(volume, (40, -60, -185), (60, 20, 18), -300)


def _lung(volume: Volume, side: int, who: Build) -> None:
    z = volume.z
    middle = side * profile(z, _LUNG_MIDDLE) * who.lung
    half = profile(z, _LUNG_WIDTH) * who.lung, profile(z, _LUNG_DEPTH) * who.lung
    weight = barrel(volume, (middle, profile(z, _LUNG_BACK)), half, 2.4)
    top = -74.0 if side < 0 else -86.0
    across = volume.x - side * 72
    lateral = np.where(across * side > 0, 50 * (across / 62) ** 2, 2 * (across / 62) ** 2)
    behind = volume.y + 18
    dome = (
        top
        - lateral[None, :]
        - np.where(behind > 0, 58.0, 34.0)[:, None] * ((behind / 100) ** 2)[:, None]
    )
    above = (z[:, None, None] - dome[None].astype(np.float32)) / np.float32(volume.step_mm[2]) + 0.5
    weight *= np.clip(above, 0, 1)
    # Blood sinks: lung is denser at the back and the base.
    density = LUNG_HU + 0.22 * volume.y[None, :, None] - 0.10 * z[:, None, None]
    fill(volume, weight, density.astype(np.float32))


def _mediastinum(volume: Volume) -> None:
    """Fill what lies between the lungs with fat, which makes its vessels visible on CT."""
    z = volume.z
    zero = np.zeros_like(z)
    width = profile(z, ((-95, 0), (-90, 26), (0, 23), (60, 22), (110, 24), (130, 16), (140, 0)))
    depth = profile(z, ((-95, 0), (-90, 55), (0, 52), (60, 46), (110, 32), (130, 14), (140, 0)))
    fill(volume, barrel(volume, (zero, zero - 12), (width, depth), 2.0), FAT_HU + 10)


def _heart(volume: Volume, size: float) -> None:
    blood = BLOOD_HU

    def chamber(centre: Point, radii: Point) -> None:
        ellipsoid(volume, centre, (radii[0] * size, radii[1] * size, radii[2] * size), blood)

    chamber((-10, -14, -44), (32, 48, 42))
    chamber((22, -26, -56), (54, 50, 42))
    chamber((44, -30, -70), (44, 46, 32))
    chamber((22, -12, -28), (36, 38, 34))
    chamber((4, 10, -32), (34, 30, 30))
    chamber((4, -24, -2), (26, 26, 28))

    def vessel(path: list[Point], radius: float) -> None:
        tube(volume, path, ((radius,) * 3, (radius,) * 3), BLOOD_HU)

    arch: list[Point] = [
        (-10, -22, -10), (-15, -24, 20), (-13, -20, 44), (-4, -8, 60), (9, 10, 66), (19, 26, 58),
        (21, 36, 40), (19, 42, 0), (14, 44, -80), (8, 42, -230),
    ]  # fmt: skip
    vessel(arch, 12.5)
    vessel([(-22, -14, -30), (-23, -14, 40), (-21, -18, 85), (-32, -16, 105)], 8.5)
    vessel([(8, -30, -5), (17, -18, 16), (26, 0, 26)], 13.0)
    vessel([(20, -6, 24), (-12, 2, 20), (-34, 6, 14)], 9.5)
    vessel([(24, -2, 26), (36, 12, 26), (44, 22, 18)], 9.0)
    for top in ((-16, -10, 135), (6, -6, 140), (18, 10, 135)):
        vessel([(2, 0, 62), top], 4.5)
    vessel([(-4, 30, 200), (-5, 32, 40), (2, 30, -90)], 6.0)


def _airways(volume: Volume) -> None:

    def airway(path: list[Point], first: float, last: float) -> None:
        tube(volume, path, ((first,) * 3, (last,) * 3), AIR_HU, hollow=True)

    airway([(0, -8, 230), (0, 4, 140), (1, 14, 46)], 9.0, 8.5)
    airway([(1, 14, 46), (-16, 16, 32), (-36, 16, 16)], 7.5, 6.0)
    airway([(1, 14, 46), (20, 17, 32), (42, 18, 20)], 7.0, 5.5)
    airway([(-36, 16, 16), (-50, 14, -12), (-62, 18, -45)], 4.5, 2.0)
    airway([(-30, 16, 24), (-50, 12, 44), (-60, 14, 70)], 4.0, 1.8)
    airway([(42, 18, 20), (54, 20, -10), (66, 24, -48)], 4.2, 2.0)
    airway([(40, 17, 22), (54, 8, 44), (62, 10, 66)], 4.0, 1.8)
