"""A knee seen from the front, which a chest reader must refuse."""

import numpy as np

from dicom_node.phantom.skeleton import bone
from dicom_node.phantom.volume import Volume, barrel, ellipsoid, fill, profile

_SKIN = ((-200, 46), (-110, 58), (-40, 56), (0, 60), (60, 66), (200, 88))
_FAT_MM = 7.0
_FAT_HU, _MUSCLE_HU = -95.0, 55.0


def paint(volume: Volume) -> None:
    """Paint thigh and lower leg around a straight joint at z = 0 into a volume of air."""
    half = profile(volume.z, _SKIN)
    zero = np.zeros_like(half)
    fill(volume, barrel(volume, (zero, zero), (half, half)), _FAT_HU)
    fill(volume, barrel(volume, (zero, zero), (half - _FAT_MM, half - _FAT_MM)), _MUSCLE_HU)
    _femur(volume)
    _lower_leg(volume)


def _femur(volume: Volume) -> None:
    bone(volume, [(6, 0, 210), (2, 0, 75)], (14, 14, 14), cortex_mm=4.5)
    bone(volume, [(2, 0, 80), (0, 2, 48)], (21, 18, 18), cortex_mm=2.0)
    for side, depth in ((-1, 1.0), (1, 0.96)):
        ellipsoid(volume, (side * 17, 8, 24 * depth), (25, 28, 21), 620)
        ellipsoid(volume, (side * 17, 8, 24 * depth), (23.5, 26, 19.5), 240)
    ellipsoid(volume, (0, 24, 10), (8, 18, 13), _MUSCLE_HU)
    ellipsoid(volume, (0, -34, 34), (21, 9, 22), 560)
    ellipsoid(volume, (0, -34, 34), (19, 7, 20), 260)


def _lower_leg(volume: Volume) -> None:
    for side in (-1, 1):
        ellipsoid(volume, (side * 19, 2, -14), (21, 24, 12), 640)
        ellipsoid(volume, (side * 19, 2, -15), (19.5, 22, 10.5), 240)
    bone(volume, [(0, 2, -22), (-1, 0, -60)], (26, 22, 14), cortex_mm=1.8)
    bone(volume, [(-1, 0, -55), (-4, 0, -215)], (13, 13, 13), cortex_mm=4.0)
    bone(volume, [(36, 20, -30), (33, 20, -52)], (10, 9, 10), cortex_mm=1.8)
    bone(volume, [(33, 20, -50), (30, 18, -215)], (6.5, 6.5, 7), cortex_mm=2.4)
    bone(volume, [(-6, 0, -1), (-6, 2, -6)], (3, 4, 4))
    bone(volume, [(6, 0, -1), (6, 2, -6)], (3, 4, 4))
