"""A radiograph of a volume: Beer-Lambert along parallel rays, noise, and a film's grey curve."""

import numpy as np
from scipy import ndimage

from dicom_node.phantom.volume import Array, Volume

WATER_PER_MM = 0.0195
"""Attenuation of water at about 70 keV, the mean of a 120 kV chest beam."""
_BONE_FROM_HU, _BONE_GAIN = 100.0, 0.55
"""Calcium attenuates more in a film's softer spectrum than on CT."""
_PHOTONS = 60_000.0
_WHITE = 4095
_SCATTER = 0.35
_UNSHARP = 0.55
_IN_BODY = 1.0
_LUNG_GREY = 0.30
"""How far below the lungs black lies, as a share of the range from lung to mediastinum."""


def attenuation(volume: Volume, along: str) -> Array:
    """Integrate attenuation along ``y`` (frontal) or ``x`` (lateral); (z down, across).

    Frontal films show the patient's right on the left; laterals the front on the left.
    """
    depth = {"y": 1, "x": 2}[along]
    line = volume.y if along == "y" else volume.x
    relative = volume.hu / 1000
    relative += 1
    extra = (volume.hu - np.float32(_BONE_FROM_HU)) / 1000
    np.maximum(extra, 0, out=extra)
    extra *= _BONE_GAIN
    relative += extra
    np.maximum(relative, 0, out=relative)
    step = float(line[1] - line[0])
    path: Array = relative.sum(axis=depth) * np.float32(WATER_PER_MM * step)
    return path[::-1]


def develop(path: Array, size: tuple[int, int], seed: int) -> Array:
    """Turn attenuation into a processed 12-bit film of ``size`` (rows, columns): 0 to 4095.

    As computed radiography does: quantum noise, log exposure, a latitude reduction that lifts
    lung and mediastinum into one range (unsharp masking), and a sigmoid between black and white.
    """
    rng = np.random.default_rng((seed, 3))
    zoom = size[0] / path.shape[0], size[1] / path.shape[1]
    fine = ndimage.zoom(path, zoom, order=3, mode="nearest", grid_mode=True).astype(np.float32)
    photons = _PHOTONS * np.exp(-fine)
    counts = photons + _SCATTER * _blurred(photons, size[0] / 16)
    counts += rng.standard_normal(counts.shape, dtype=np.float32) * np.sqrt(counts)
    density = -np.log(np.maximum(counts, 1) / _PHOTONS).astype(np.float32)
    density = ndimage.gaussian_filter(density, 0.6)
    coarse = _blurred(density, size[0] / 28)
    sharp = density + _UNSHARP * (density - coarse)
    dark, white = np.percentile(sharp[fine > _IN_BODY], (2, 98))
    black = dark - _LUNG_GREY * (white - dark)
    share = (sharp - black) / (white - black)
    film: Array = np.clip(
        (_sigmoid(share) - _sigmoid(0.0)) / (_sigmoid(1.08) - _sigmoid(0.0)), 0, 1
    )
    return (film * _WHITE).astype(np.float32)


def _blurred(image: Array, sigma_px: float) -> Array:
    """Blur widely: at a quarter of the size, which nobody can tell and takes a tenth."""
    small = ndimage.zoom(
        ndimage.uniform_filter(image, 4), 0.25, order=1, grid_mode=True, mode="nearest"
    )
    soft = ndimage.gaussian_filter(small, sigma_px / 4, mode="nearest", truncate=3.0)
    zoom = [full / part for full, part in zip(image.shape, soft.shape, strict=True)]
    wide: Array = ndimage.zoom(soft, zoom, order=1, grid_mode=True, mode="nearest")
    return wide


def _sigmoid(share: Array | float) -> Array:
    """Return the film's characteristic curve: steepest between lung and mediastinum."""
    curve: Array = 1 / (1 + np.exp(-3.4 * (np.asarray(share, np.float32) - 0.45)))
    return curve
