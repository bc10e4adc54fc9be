"""From a film and its lungs to the network's input; the same for training and serving."""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.cxr_lungs.fields import LungView
from models.imaging import Float

EDGE: Final = 192
"""Edge of the network's input."""
_GROWN: Final = 0.03
"""The lungs' outline is widened by this part of the edge: pleura and heart border are seen."""
_SOFT: Final = 5


def _odd(pixels: float) -> int:
    return int(pixels) // 2 * 2 + 1


def masked(film: Tensor, mask: Tensor, grown: float = _GROWN) -> Tensor:
    """Return films in which all but the widened lungs is black, and these lungs: (n, 2, e, e)."""
    wide = _odd(2 * grown * film.shape[-1])
    if wide > 1:  # a square in two strokes: a quarter of the time
        mask = functional.max_pool2d(mask, (1, wide), stride=1, padding=(0, wide // 2))
        mask = functional.max_pool2d(mask, (wide, 1), stride=1, padding=(wide // 2, 0))
    soft = functional.avg_pool2d(mask, _SOFT, 1, _SOFT // 2, count_include_pad=False)
    return torch.cat([film * soft, soft], dim=1)


def shrunk(views: Tensor) -> Tensor:
    """Return views (n, 2, 240, 240) at the network's edge."""
    return functional.interpolate(views, size=(EDGE, EDGE), mode="bilinear", antialias=True)


def prepare(views: Tensor) -> Tensor:
    """Return the network's input (n, 2, 192, 192) of views (n, 2, 240, 240): film and mask."""
    small = shrunk(views)
    return masked(small[:, :1], small[:, 1:])


def network_input(view: LungView) -> Float:
    """Return the network's input (2, 192, 192) of one view, through bytes as training saw it."""
    planes = np.round(np.stack([view.pixels, view.mask]) * 255.0).astype(np.uint8)
    found: Float = prepare(torch.from_numpy(planes).float().unsqueeze(0) / 255.0)[0].numpy()
    return found
