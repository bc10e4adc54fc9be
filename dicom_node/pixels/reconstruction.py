"""How a CT stack was reconstructed: soft or sharp, thin or thick, and how much lung it shows."""

import re
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_node.pixels import ct, header
from dicom_node.pixels.slices import image_type
from dicom_node.pixels.stack import Stack
from dicom_node.policy import Limits

_SHARP_NAME = re.compile(r"bone|oss|lung|pulm|edge|hrct|sharp|hi-?res", re.IGNORECASE)
_SOFT_NAME = re.compile(r"soft|stand|std|mediast|weich|chst|detail|smooth", re.IGNORECASE)
_NUMBERED_KERNEL = re.compile(r"^(FC|[A-Z]{1,2})[-_ ]?(\d{1,2})", re.IGNORECASE)
_SHARP_FROM = 50
"""Siemens: B30f, Br40, D40s are soft, B50f, Bl57, B70s sharp."""
_CANON_SHARP_FROM = 30
"""Canon and Toshiba: FC01-FC29 body, FC30 and more bone and lung."""
_PHILIPS = {"A": False, "B": False, "C": False, "YA": False, "YB": False,
            "D": True, "E": True, "L": True, "YC": True, "YD": True}  # fmt: skip

_LUNG_HU = (-960.0, -500.0)
_SOFT_TISSUE_HU = (-60.0, 140.0)
_LOOKED_AT = 5
_FEWEST_PIXELS = 200


class Sharpness(IntEnum):
    """What the reconstruction kernel favours; for the models here, softer is better."""

    SOFT = 0
    UNKNOWN = 1
    SHARP = 2


@dataclass(frozen=True, slots=True)
class Look:
    """What a few slices of a stack show: lung in ml, its mean and soft tissue's noise in HU."""

    lung_ml: float
    noise_hu: float
    lung_hu: float = 0.0


def sharpness(ds: Dataset) -> Sharpness:
    """Tell the kernel's class from the header: kernel, else series description, else window."""
    for keyword in ("ConvolutionKernel", "SeriesDescription"):
        words = header.told(ds, keyword)
        if keyword == "ConvolutionKernel" and (named := _kernel(words)) is not None:
            return Sharpness.SHARP if named else Sharpness.SOFT
        if _SHARP_NAME.search(words):
            return Sharpness.SHARP
        if _SOFT_NAME.search(words):
            return Sharpness.SOFT
    width = header.told_number(ds, "WindowWidth")
    centre = header.told_number(ds, "WindowCenter")
    if width is None or centre is None:
        return Sharpness.UNKNOWN
    if width >= 1000:  # noqa: PLR2004 (lung 1500/-600, bone 2000/400)
        return Sharpness.SHARP
    return Sharpness.SOFT if 0 <= centre <= 100 else Sharpness.UNKNOWN  # noqa: PLR2004 (350/40)


def is_original(ds: Dataset) -> bool:
    """Whether the scanner's own slices are meant: Image Type ORIGINAL\\PRIMARY."""
    words = image_type(ds)
    return "ORIGINAL" in words and "SECONDARY" not in words


def look(stack: Stack, limits: Limits) -> Look:
    """Decode a few evenly spaced slices and measure them; raises PixelError."""
    count = len(stack.slices)
    picked = np.linspace(0, count - 1, min(count, _LOOKED_AT) + 2).round().astype(int)[1:-1]
    lung_mm2: list[float] = []
    lung_hu: list[NDArray[np.float32]] = []
    noise: list[float] = []
    for index in picked:
        one = stack.slices[index]
        units = ct.hounsfield(one.loaded.dataset, limits)
        lung = (units > _LUNG_HU[0]) & (units < _LUNG_HU[1]) & _enclosed(units)
        lung_hu.append(units[lung])
        lung_mm2.append(
            np.count_nonzero(lung) * one.plane.row_spacing_mm * one.plane.column_spacing_mm
        )
        noise.append(_noise(units))
    extent_mm = stack.contiguity.positions_mm[-1] - stack.contiguity.positions_mm[0]
    inside = np.concatenate(lung_hu)
    return Look(
        lung_ml=float(np.mean(lung_mm2)) * extent_mm / 1000,
        noise_hu=float(np.median(noise)),
        lung_hu=float(inside.mean()) if inside.size else 0.0,
    )


def _enclosed(units: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark what has body on all four sides: noise of the air around is no lung."""
    body = units > _LUNG_HU[1]
    enclosed = np.ones_like(body)
    for axis in (0, 1):
        ahead = np.logical_or.accumulate(body, axis=axis)
        behind = np.flip(np.logical_or.accumulate(np.flip(body, axis), axis=axis), axis)
        enclosed &= ahead & behind
    return enclosed


def _noise(units: NDArray[np.float32]) -> float:
    low, high = _SOFT_TISSUE_HU
    soft = (units > low) & (units < high)
    pairs = soft[:, 1:] & soft[:, :-1]
    if np.count_nonzero(pairs) < _FEWEST_PIXELS:
        return 0.0
    steps = np.diff(units, axis=1)[pairs]
    return float(np.std(steps)) / float(np.sqrt(2))


def _kernel(name: str) -> bool | None:
    """Whether a vendor's kernel name stands for a sharp one, None where it is not known."""
    if name.upper() in _PHILIPS:
        return _PHILIPS[name.upper()]
    numbered = _NUMBERED_KERNEL.match(name)
    if not numbered:
        return None
    limit = _CANON_SHARP_FROM if numbered[1].upper() == "FC" else _SHARP_FROM
    return int(numbered[2]) >= limit
