"""A heatmap drawn over the image that it explains."""

from typing import Final

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

LONGEST_EDGE_PX: Final = 1024
_COLOURS: Final = "turbo"
_OPACITY: Final = 0.55
_BANNER_SHARE: Final = 32
"""The banner's height is this part of the picture's width."""
_SMALLEST_BANNER_PX: Final = 12


def draw(
    image: NDArray[np.float32], weights: NDArray[np.float32], banner: str
) -> NDArray[np.uint8]:
    """Return an RGB picture (rows, columns, 3): ``image`` in grey under coloured ``weights``.

    Both are (rows, columns) in [0, 1], of any size each; the picture has the aspect of ``image``
    and no edge beyond `LONGEST_EDGE_PX`, plus a strip above it with the ``banner``, which hides
    nothing. Where the weight is 0 the film shows as it is.
    """
    rows, columns = image.shape
    scale = min(1.0, LONGEST_EDGE_PX / max(rows, columns))
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    grey = _resized(image, size)[..., None]
    heat = _resized(weights, size)
    colour = colormaps[_COLOURS](heat)[..., :3]
    opacity = _OPACITY * heat[..., None]
    picture = np.rint(255 * (grey * (1 - opacity) + colour * opacity)).astype(np.uint8)
    return np.concatenate([_strip(banner, size[0]), picture])


def _resized(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    clean = np.clip(np.nan_to_num(values), 0, 1).astype(np.float32)
    resized = Image.fromarray(clean).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def _strip(text: str, width: int) -> NDArray[np.uint8]:
    height = max(_SMALLEST_BANNER_PX, width // _BANNER_SHARE)
    strip = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(strip)
    font = ImageFont.load_default(_fitting(text, width, height))
    pen.text((width / 2, height / 2), text, fill=(255, 255, 0), font=font, anchor="mm")
    return np.asarray(strip, dtype=np.uint8)


def _fitting(text: str, width: int, height: int) -> float:
    """Return the largest font size at which ``text`` fits into the strip."""
    wanted = 0.75 * height
    natural = ImageFont.load_default(wanted).getlength(text)
    return max(1.0, float(wanted * min(1.0, 0.98 * width / natural)))
