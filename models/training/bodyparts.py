"""Drawn body parts that are no chest: skull, hand, belly and pelvis, for the film gate.

No real film of another body part is at hand to train on. Sizes are those of an adult, in mm;
every seed varies build, posture and gas.
"""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import ndimage

from dicom_node.phantom import film
from dicom_node.phantom.skeleton import bone
from dicom_node.phantom.volume import (
    Point,
    Volume,
    axis,
    barrel,
    ellipsoid,
    empty,
    fill,
    profile,
    tube,
)
from models import imaging
from models.imaging import Float
from models.training.negatives import Random, chance

_ROWS: Final = 384
_FAT_HU, _MUSCLE_HU, _ORGAN_HU, _GAS_HU = -100.0, 50.0, 58.0, -950.0
_BRAIN_HU, _SHELL_HU, _TOOTH_HU = 36.0, 900.0, 1500.0


def _body(volume: Volume, width: float, depth: float, fat: float) -> None:
    half = np.full_like(volume.z, width), np.full_like(volume.z, depth)
    zero = np.zeros_like(volume.z)
    fill(volume, barrel(volume, (zero, zero), half, 2.4), _FAT_HU)
    inner = half[0] - fat, half[1] - fat
    fill(volume, barrel(volume, (zero, zero), inner, 2.4), _MUSCLE_HU)


def _shell(volume: Volume, centre: Point, radii: Point, thick: float) -> None:
    inner = (radii[0] - thick, radii[1] - thick, radii[2] - thick)
    ellipsoid(volume, centre, radii, _SHELL_HU)
    ellipsoid(volume, centre, inner, _BRAIN_HU)


def _lumbar(volume: Volume, first: float, last: float) -> None:
    """Paint vertebral bodies, discs and processes between two heights."""
    tube(volume, [(0, 45, first), (0, 45, last)], ((20, 17, 14), (19, 16, 14)), 90)
    for z in np.arange(first, last, 36.0):
        for level, hu in ((-11.0, 460.0), (0.0, 200.0), (11.0, 460.0)):
            ellipsoid(volume, (0, 45, z + level), (24, 18, 7), hu)
        for side in (-1, 1):
            bone(volume, [(side * 14, 60, z), (side * 44, 68, z + 3)], (4, 4, 5), cortex_mm=1.0)
        bone(volume, [(0, 68, z), (0, 92, z - 10)], (3.5, 6, 8))


def _gas(volume: Volume, random: Random, low: float, high: float) -> None:
    for _ in range(int(random.integers(4, 26))):
        place = (random.uniform(-105, 105), random.uniform(-60, 10), random.uniform(low, high))
        size = random.uniform(6, 24, 3)
        ellipsoid(volume, place, (size[0], size[1], size[2] * 0.8), _GAS_HU)


def abdomen(random: Random) -> Volume:
    """Paint a belly from the lower ribs to the iliac crests."""
    volume = empty(axis(-185, 185, 230), axis(-130, 130, 66), axis(-190, 190, 240))
    width, depth = random.uniform(140, 172), random.uniform(95, 120)
    _body(volume, width, depth, random.uniform(10, 26))
    zero = np.zeros_like(volume.z)
    cavity = barrel(volume, (zero, zero - 15), (zero + width - 32, zero + depth - 38), 2.3)
    fill(volume, cavity, _FAT_HU + 30)
    ellipsoid(volume, (-70, -5, 130), (70, 70, 75), _ORGAN_HU)
    ellipsoid(volume, (88, 35, 140), (32, 38, 50), _ORGAN_HU - 8)
    for side in (-1, 1):
        ellipsoid(volume, (side * 68, 48, 55), (28, 26, 54), 34)
        tube(volume, [(side * 30, 45, 90), (side * 62, 20, -150)], ((14, 18, 14), (26, 24, 20)),
             _MUSCLE_HU + 5)  # fmt: skip
    for _ in range(12):
        place = (random.uniform(-90, 90), random.uniform(-60, 10), random.uniform(-150, 90))
        ellipsoid(volume, place, (30, 24, 22), random.uniform(0, 45))
    _gas(volume, random, -160, 120)
    _lumbar(volume, -175, 190)
    for side in (-1, 1):
        for number in range(3):
            z = 188 - 26 * number
            arc: list[Point] = [
                (side * 30, 66, z), (side * 105, 60, z - 12), (side * (width - 18), 0, z - 44),
            ]  # fmt: skip
            bone(volume, arc[: 3 if number < 2 else 2], (3.5, 3.5, 6), cortex_mm=1.2)  # noqa: PLR2004
    _iliac(volume, -125)
    return volume


def _iliac(volume: Volume, crest: float) -> None:
    """Paint both iliac wings, thin bone in rows, with their crest at this height."""
    for side in (-1, 1):
        for share in np.linspace(0, 1, 16):
            z = crest - 95 * share
            inner = (side * (34 + 6 * share), 55 - 10 * share, z + 8)
            outer = (side * (138 - 46 * share), 5 + 20 * share, z)
            tube(volume, [inner, outer], ((7, 3, 7), (7, 3, 7)), 260)
        rim: list[Point] = [
            (side * 36, 58, crest - 4), (side * 95, 30, crest + 14), (side * 140, -5, crest - 26),
        ]  # fmt: skip
        bone(volume, rim, (6, 6, 6))


def pelvis(random: Random) -> Volume:
    """Paint a pelvis with both hips."""
    volume = empty(axis(-200, 200, 250), axis(-130, 130, 66), axis(-190, 150, 212))
    width = random.uniform(165, 190)
    _body(volume, width, random.uniform(95, 118), random.uniform(12, 26))
    _gas(volume, random, 10, 130)
    _lumbar(volume, 70, 150)
    _iliac(volume, random.uniform(95, 115))
    for share in np.linspace(0, 1, 9):
        half = 48 - 34 * share
        tube(volume, [(-half, 55, 62 - 70 * share), (half, 55, 62 - 70 * share)],
             ((5, 10, 5), (5, 10, 5)), 240)  # fmt: skip
    for side in (-1, 1):
        ellipsoid(volume, (side * 92, 0, -22), (32, 32, 32), 480)
        ellipsoid(volume, (side * 92, 0, -24), (26, 26, 26), 60)
        ellipsoid(volume, (side * 92, 0, -24), (24, 24, 24), 620)
        ellipsoid(volume, (side * 92, 0, -24), (22, 22, 22), 270)
        bone(volume, [(side * 92, 0, -24), (side * 138, 6, -62)], (16, 15, 15), cortex_mm=2.5)
        bone(volume, [(side * 142, 8, -50), (side * 140, 4, -210)], (17, 16, 17), cortex_mm=5)
        bone(volume, [(side * 72, -20, -30), (side * 8, -62, -58)], (9, 8, 8))
        bone(volume, [(side * 74, 10, -48), (side * 52, 10, -108), (side * 8, -60, -72)], (8, 8, 8))
    return volume


def skull(random: Random) -> Volume:
    """Paint a head and the upper cervical spine."""
    volume = empty(axis(-115, 115, 150), axis(-125, 125, 162), axis(-150, 120, 176))
    size = random.uniform(0.94, 1.06)
    ellipsoid(volume, (0, 0, 10), (80 * size, 100 * size, 102 * size), _MUSCLE_HU)
    ellipsoid(volume, (0, -45, -55), (62, 52, 75), _MUSCLE_HU)
    tube(volume, [(0, 15, -50), (0, 25, -170)], ((58, 60, 50), (62, 62, 50)), _MUSCLE_HU)
    _shell(volume, (0, 0, 12), (74 * size, 94 * size, 96 * size), random.uniform(5, 8))
    for side in (-1, 1):
        ellipsoid(volume, (side * 32, -78, -8), (20, 22, 18), 700)
        ellipsoid(volume, (side * 32, -84, -8), (18, 26, 16), 0)
        ellipsoid(volume, (side * 28, -64, -42), (15, 18, 18), _GAS_HU)
        ellipsoid(volume, (side * 52, 18, -40), (15, 22, 20), 650)
        ellipsoid(volume, (side * 54, 24, -44), (9, 12, 13), -500)
        jaw: list[Point] = [
            (side * 50, 0, -45), (side * 50, -10, -92), (side * 28, -72, -112), (0, -92, -114),
        ]  # fmt: skip
        bone(volume, jaw, (7, 7, 13), cortex_mm=3)
        for tooth in range(8):
            angle = tooth / 8 * 1.4
            x, y = side * (4 + 34 * math.sin(angle)), -92 + 42 * (1 - math.cos(angle))
            for row in (-78.0, -94.0):
                ellipsoid(volume, (x, y, row), (3.4, 4, 8), _TOOTH_HU)
    ellipsoid(volume, (0, -86, 28), (24, 9, 13), _GAS_HU)
    ellipsoid(volume, (0, -70, -38), (11, 24, 24), _GAS_HU + 300)
    for z in np.arange(-150.0, -45.0, 18.0):
        ellipsoid(volume, (0, 24, z), (17, 12, 7), 420)
        bone(volume, [(0, 38, z), (0, 62, z - 6)], (3, 6, 4))
    return volume


def hand(random: Random) -> Volume:
    """Paint a hand, palm down, with the wrist."""
    volume = empty(axis(-75, 75, 190), axis(-30, 30, 40), axis(-110, 120, 290))
    spread = random.uniform(0.6, 1.3)
    half = profile(volume.z, ((-110, 28), (-60, 30), (-40, 38), (15, 42), (35, 38), (40, 0)))
    zero = np.zeros_like(half)
    thick = np.where(half > 0, 14.0, 0.0).astype(np.float32)
    fill(volume, barrel(volume, (zero, zero), (half, thick)), _MUSCLE_HU)
    lengths = (
        (38, 26, 0, 20), (62, 38, 22, 16), (60, 42, 26, 17), (54, 39, 25, 17), (50, 31, 18, 15),
    )  # fmt: skip
    for ray, bones in enumerate(lengths):
        place = (ray - 2) * 15.5
        lean = (ray - 2) * 0.075 * spread - (0.55 if ray == 0 else 0.0)
        x, z = place * 0.72, -38.0
        for part, length in enumerate(bones):
            if not length:
                continue
            stop = (x + length * math.sin(lean), z + length * math.cos(lean))
            thin = 5.2 - 0.7 * part
            if part > 0 or ray == 0:
                tube(volume, [(x, 0, z), (stop[0], 0, stop[1])], ((8.5,) * 3, (7.5,) * 3),
                     _MUSCLE_HU)  # fmt: skip
            bone(volume, [(x, 0, z + 2), (stop[0], 0, stop[1] - 2)], (thin, 4, thin), cortex_mm=1.4)
            ellipsoid(volume, (stop[0], 0, stop[1] - 2), (thin + 1.4, 5, 4), 420)
            x, z = stop[0] + 1.5 * math.sin(lean), stop[1] + 1.5
    for row in range(2):
        for number in range(4):
            carpal = (-17 + 11.5 * number, 0.0, -46.0 - 12.0 * row)
            ellipsoid(volume, carpal, (6.5, 6, 6.5), 460)
    bone(volume, [(-13, 0, -68), (-11, 0, -115)], (11, 7, 9), cortex_mm=1.8)
    bone(volume, [(17, 0, -70), (16, 0, -115)], (6, 5, 6), cortex_mm=1.6)
    return volume


PARTS: Final[dict[str, tuple[Callable[[Random], Volume], str]]] = {
    "abdomen": (abdomen, "y"),
    "pelvis": (pelvis, "y"),
    "skull, frontal": (skull, "y"),
    "skull, lateral": (skull, "x"),
    "hand": (hand, "y"),
}
"""Name to painter and the direction of the rays."""


def _developed(shadow: Float, random: Random) -> Float:
    """Return attenuation as a film shows it: a grey curve, fine detail lifted, blur and grain."""
    image = imaging.stretch(shadow) ** np.float32(random.uniform(0.6, 1.3))
    wide = ndimage.gaussian_filter(image, 0.06 * len(image))
    image = imaging.stretch(image - np.float32(random.uniform(0.0, 0.7)) * wide)
    image = ndimage.gaussian_filter(image, random.uniform(0.3, 1.0))
    image = image + random.uniform(0.005, 0.02) * random.standard_normal(image.shape)
    return np.asarray(np.clip(image, 0.0, 1.0), dtype=np.float32)


def rendered(name: str, seed: int) -> Float:
    """Render one body part as a film, 0 to 1, mirrored at random."""
    random = np.random.default_rng((seed, len(name)))
    paint, along = PARTS[name]
    shadow = film.attenuation(paint(random), along)
    rows, columns = shadow.shape
    image = imaging.resize(_developed(shadow, random), _ROWS, max(96, _ROWS * columns // rows))
    return image[:, ::-1] if chance(random, 0.5) else image
