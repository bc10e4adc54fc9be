"""Fitting a head anew on the features of plain images."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.backbone import Backbone
from models.training import head
from models.training.scores import Part
from tests.progress import Silence


class Brightness(Backbone):
    """A network whose first map is the image, and whose others are empty."""

    def maps(self, images: Tensor) -> Tensor:
        """Return the image as the first of 1280 maps."""
        return torch.nn.functional.pad(images, (0, 0, 0, 0, 0, 1279))


def _part() -> Part:
    grey = np.array([20, 30, 40, 200, 210, 220] * 4, dtype=np.uint8)
    images = np.tile(grey[:, None, None], (1, 4, 4))
    allowed = np.zeros((24, 3), dtype=np.bool_)
    allowed[grey < 128, 0] = True
    allowed[grey >= 128, 1] = True
    allowed[grey == 220, 2] = True
    return Part(images, allowed, np.full(24, 1 / 24))


def _refitted(part: Part) -> NDArray[np.float32]:
    torch.manual_seed(1)
    network = Brightness(torch.nn.Sequential(), 3, 0.0)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.zero_()
    head.refit(network, part, Tensor.contiguous, 10.0, Silence())
    seen = head.features(network, part.images, Tensor.contiguous, Silence())
    with torch.no_grad():
        raw: NDArray[np.float32] = network.head(torch.from_numpy(seen)).numpy()
    return raw


def test_refitted_head_tells_the_classes_apart() -> None:
    part = _part()

    raw = _refitted(part)

    assert (raw.argmax(axis=1) == part.allowed.argmax(axis=1)).mean() > 0.8
    dark, bright = raw[part.images[:, 0, 0] < 128], raw[part.images[:, 0, 0] == 220]
    assert bright[:, 2].mean() > dark[:, 2].mean()
