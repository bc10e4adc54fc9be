"""Small pictures inside a page: a film, and the same film under its evidence."""

import base64
import io
from typing import Final

import numpy as np
from matplotlib import colormaps
from PIL import Image

from models.imaging import Float, resize

_COLOURS: Final = "plasma"
"""Its lightness rises all the way, and none of it is grey: readable for the colour-blind."""
_OPACITY: Final = 0.6
_QUALITY: Final = 88


def _uri(image: Image.Image) -> str:
    out = io.BytesIO()
    image.save(out, format="JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _clean(values: Float) -> Float:
    return np.asarray(np.clip(np.nan_to_num(values), 0.0, 1.0), dtype=np.float32)


def film(pixels: Float) -> str:
    """Return a film (rows, columns), 0 to 1, as a data URI."""
    return _uri(Image.fromarray(np.rint(_clean(pixels) * 255.0).astype(np.uint8)))


def overlay(pixels: Float, evidence: Float) -> str:
    """Return a film under its evidence, both 0 to 1, as a data URI; where it is 0 the film shows.

    ``evidence`` may be coarser than the film.
    """
    grey = _clean(pixels)[..., np.newaxis]
    heat = _clean(resize(_clean(evidence), *pixels.shape))
    colour = colormaps[_COLOURS](heat)[..., :3]
    opacity = _OPACITY * heat[..., np.newaxis]
    mixed = grey * (1.0 - opacity) + colour * opacity
    return _uri(Image.fromarray(np.rint(mixed * 255.0).astype(np.uint8)))
