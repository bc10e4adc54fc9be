"""Fixed inputs for the start-up check, drawn by formula: no file, no random numbers.

They look like a chest only as far as is needed to excite the networks.
"""

import numpy as np

from dicom_node.domain import Geometry, InstanceRef, Sample, StudyKind
from models.imaging import Float

_FILM_EDGE = 384
_CT_EDGE = 160
_CT_SLICES = 14


def _grid(edge: int) -> tuple[Float, Float]:
    axis = np.linspace(-1.0, 1.0, edge, dtype=np.float32)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return x, y


def _ellipse(x: Float, y: Float, centre: tuple[float, float], radii: tuple[float, float]) -> Float:
    distance = ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2
    steep = np.clip(12.0 * (distance - 1.0), -30.0, 30.0)
    return (1.0 / (1.0 + np.exp(steep))).astype(np.float32)


def film() -> Sample:
    """Return the golden film: two lungs, a heart, a spine and ribs, (384, 384), 0 to 1."""
    x, y = _grid(_FILM_EDGE)
    pixels = 0.85 * _ellipse(x, y, (0.0, 0.35), (0.95, 1.25))
    for side in (-0.42, 0.42):
        lung = _ellipse(x, y, (side, -0.05), (0.32, 0.62))
        ribs = 0.5 + 0.5 * np.sin(26.0 * (y + 0.3 * np.abs(x)))
        pixels -= lung * (0.55 - 0.14 * ribs)
    pixels += 0.25 * _ellipse(x, y, (0.12, 0.25), (0.3, 0.34))
    pixels += 0.15 * _ellipse(x, y, (0.0, 0.0), (0.1, 1.4))
    return Sample(
        kind=StudyKind.CXR,
        pixels=np.clip(pixels, 0.0, 1.0).astype(np.float32),
        geometry=Geometry(),
        sources=(InstanceRef("2.25.1", "", "2.25.2"),),
    )


def _slice(x: Float, y: Float, height: float) -> Float:
    body = _ellipse(x, y, (0.0, 0.0), (0.86, 0.62))
    size = 0.55 + 0.45 * float(np.sin(np.pi * height))
    lungs = np.zeros_like(x)
    for side in (-0.42, 0.42):
        lungs += _ellipse(x, y, (side, 0.0), (0.27 * size, 0.38 * size))
    vessels = np.maximum(0.0, np.sin(31.0 * x + 9.0 * height) * np.sin(29.0 * y) - 0.75) * 4.0
    patch = _ellipse(x, y, (0.45, 0.22), (0.13, 0.13))
    hounsfield = -1000.0 + 1040.0 * body - lungs * (880.0 - 500.0 * vessels - 380.0 * patch)
    return np.asarray(hounsfield, dtype=np.float32)


def series() -> Sample:
    """Return the golden CT series: (14, 160, 160) in Hounsfield units, 2.2 mm pixels."""
    x, y = _grid(_CT_EDGE)
    heights = [(index + 0.5) / _CT_SLICES for index in range(_CT_SLICES)]
    return Sample(
        kind=StudyKind.CT,
        pixels=np.stack([_slice(x, y, height) for height in heights]),
        geometry=Geometry(2.2, 2.2, 20.0, tuple(20.0 * index for index in range(_CT_SLICES))),
        sources=tuple(InstanceRef(f"2.25.{10 + i}", "", "2.25.3") for i in range(_CT_SLICES)),
    )
