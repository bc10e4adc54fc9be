"""Images made alike: trimmed, resized and equalised, so that a model sees anatomy, not a source.

Pure numpy and Pillow; the same functions prepare training images and served samples.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicom_node.domain import Box

Float = NDArray[np.float32]

CANONICAL_EDGE: Final = 240
"""Edge of prepared images: what training keeps and cuts its random views from."""
EDGE: Final = 224
"""Edge of the networks' input."""
_MARGIN: Final = (CANONICAL_EDGE - EDGE) // 2

_PROBE_EDGE: Final = 256
"""Borders are looked for on a copy of this size: cheap, and blind to single hot pixels."""
_FLAT_SPREAD: Final = 0.06
"""A border line whose 5th to 95th percentile spread is below this holds no anatomy."""
_MIN_KEPT: Final = 0.55
"""Trimming never leaves less than this part of an edge."""
_BINS: Final = 256
CLIP: Final = 3.0


@dataclass(frozen=True, slots=True)
class Canonical:
    """An image made alike, and where it came from.

    ``pixels``: float32 (edge, edge), 0 to 1, equalised. ``box``: the part of the source image
    that it shows, in source pixels.
    """

    pixels: Float
    box: Box


def resize(pixels: Float, rows: int, columns: int) -> Float:
    """Resize with antialiasing to (rows, columns)."""
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR), dtype=np.float32)


def stretch(pixels: Float) -> Float:
    """Map the 0.5th to 99.5th percentile onto 0 to 1; a constant image becomes zeros."""
    low, high = np.percentile(pixels, (0.5, 99.5))
    if high - low < np.finfo(np.float32).eps:
        return np.zeros_like(pixels)
    stretched: Float = np.clip((pixels - low) / (high - low), 0.0, 1.0).astype(np.float32)
    return stretched


def equalise(pixels: Float, clip: float, within: NDArray[np.bool_] | None = None) -> Float:
    """Equalise the histogram globally, no bin counting more than ``clip`` times its fair share.

    Makes the result nearly independent of window, gamma and exposure; the clip keeps a large
    black surround from pressing the anatomy into few grey values. ``within``: the pixels that
    are counted; all are changed.
    """
    level = np.minimum((pixels * _BINS).astype(np.int64), _BINS - 1)
    counted = level.ravel() if within is None else level[within]
    counts = np.bincount(counted, minlength=_BINS).astype(np.float64)
    counts = np.minimum(counts, clip * counted.size / _BINS)
    below = np.concatenate(([0.0], np.cumsum(counts)))
    position = pixels.astype(np.float64) * _BINS
    share = np.interp(position, np.arange(_BINS + 1), below / below[-1])
    return np.asarray(share, dtype=np.float32)


def _kept(spread: Float) -> tuple[float, float]:
    """Return the part of an axis (0 to 1) between its flat ends."""
    alive = np.flatnonzero(spread > _FLAT_SPREAD)
    size = spread.size
    if alive.size == 0:
        return 0.0, 1.0
    first, last = alive[0] / size, (alive[-1] + 1) / size
    if last - first < _MIN_KEPT:
        return 0.0, 1.0
    return float(first), float(last)


def content_box(pixels: Float) -> Box:
    """Return the box without flat borders (collimation, padding), in source pixels."""
    rows, columns = pixels.shape
    step = max(1, min(rows, columns) // (2 * _PROBE_EDGE))
    thinned = pixels[step // 2 :: step, step // 2 :: step]
    probe = stretch(resize(thinned, min(rows, _PROBE_EDGE), min(columns, _PROBE_EDGE)))
    by_row = np.percentile(probe, (5, 95), axis=1)
    by_column = np.percentile(probe, (5, 95), axis=0)
    top, bottom = _kept((by_row[1] - by_row[0]).astype(np.float32))
    left, right = _kept((by_column[1] - by_column[0]).astype(np.float32))
    return Box(left * columns, top * rows, right * columns, bottom * rows)


def crop(pixels: Float, box: Box) -> Float:
    """Cut ``box`` out of the image, to whole pixels."""
    return pixels[int(box.top) : round(box.bottom), int(box.left) : round(box.right)]


def squared(pixels: Float, box: Box) -> Canonical:
    """Cut ``box`` out, resize it to a square of CANONICAL_EDGE, stretch and equalise it."""
    small = resize(crop(pixels, box), CANONICAL_EDGE, CANONICAL_EDGE)
    return Canonical(equalise(stretch(small), CLIP), box)


def canonical(pixels: Float) -> Canonical:
    """Trim the flat borders of a film, resize it to a square, stretch and equalise it.

    The aspect ratio is given up on purpose: it tells the sources of the training films apart.
    """
    box = content_box(pixels)
    return squared(pixels, box)


def both_polarities(pixels: Float) -> tuple[Float, Float]:
    """Return the canonical film (square, without its box) as it is and with inverted greys.

    Trimming, resizing and stretching do not care about polarity, so they are done once.
    """
    small = resize(crop(pixels, content_box(pixels)), CANONICAL_EDGE, CANONICAL_EDGE)
    stretched = stretch(small)
    return equalise(stretched, CLIP), equalise(1.0 - stretched, CLIP)


def cut(image: Canonical) -> Float:
    """Return a network's input: the central EDGE x EDGE pixels, without the outer borders."""
    return image.pixels[_MARGIN : _MARGIN + EDGE, _MARGIN : _MARGIN + EDGE]


def seen(box: Box) -> Box:
    """Return the part of the source image that a network saw of a canonical image's box."""
    part = _MARGIN / CANONICAL_EDGE
    dx, dy = part * (box.right - box.left), part * (box.bottom - box.top)
    return Box(box.left + dx, box.top + dy, box.right - dx, box.bottom - dy)
