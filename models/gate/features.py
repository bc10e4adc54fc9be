"""What the film gate sees: ImageNet features on a grid, a linear head, and a distance."""

import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.backbone import CHANNELS, MobileNet

GRID: Final = 3
"""Pooling on a grid keeps what plain mean pooling loses: what is up, and what is left."""


class Look(IntEnum):
    """What an image may be, in the order of the head's outputs."""

    FRONTAL = 0
    INVERTED = 1
    TURNED = 2
    LATERAL = 3
    OTHER = 4


class GateNetwork(nn.Module):
    """Images (n, 1, 224, 224) in; class logits (n, 5) and squared distances (n, 1) out.

    ``components`` whiten the grid features to ``rank`` principal components; the distance is
    Mahalanobis' from the frontal films of training (Lee et al. 2018, arXiv:1807.03888).
    """

    def __init__(self, rank: int, grid: int = GRID) -> None:
        super().__init__()
        self.grid = grid
        raw = CHANNELS * grid * grid
        self.features = MobileNet(1).features
        self.mean = nn.Buffer(torch.zeros(raw))
        self.components = nn.Buffer(torch.zeros(rank, raw))
        self.head = nn.Linear(rank, len(Look))
        self.centre = nn.Buffer(torch.zeros(rank))
        self.precision = nn.Buffer(torch.zeros(rank, rank))

    def raw(self, images: Tensor) -> Tensor:
        """Return grid features (n, 1280 * grid * grid)."""
        maps = self.features((images * 2.0 - 1.0).expand(-1, 3, -1, -1))
        return functional.adaptive_avg_pool2d(maps, self.grid).flatten(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and squared Mahalanobis distances per component."""
        return self.judge(self.raw(images))

    def judge(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and distances of grid features."""
        reduced = (raw - self.mean) @ self.components.T
        off = reduced - self.centre
        distance = ((off @ self.precision) * off).sum(dim=1, keepdim=True) / len(self.centre)
        return self.head(reduced), distance


def shaped_like(tensors: Mapping[str, Tensor]) -> GateNetwork:
    """Return an empty network of the rank and grid that ``tensors`` were fitted with."""
    rank, raw = tensors["components"].shape
    return GateNetwork(rank, math.isqrt(raw // CHANNELS))
