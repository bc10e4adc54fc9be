"""What the film gate sees: ImageNet features on a 2 x 2 grid, a linear head, and a distance."""

from enum import IntEnum
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.backbone import CHANNELS, MobileNet

GRID: Final = 2
"""Pooling on a grid keeps what plain mean pooling loses: what is up, and what is left."""
RAW: Final = CHANNELS * GRID * GRID


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

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.features = MobileNet(1).features
        self.mean = nn.Buffer(torch.zeros(RAW))
        self.components = nn.Buffer(torch.zeros(rank, RAW))
        self.head = nn.Linear(rank, len(Look))
        self.centre = nn.Buffer(torch.zeros(rank))
        self.precision = nn.Buffer(torch.zeros(rank, rank))

    def raw(self, images: Tensor) -> Tensor:
        """Return grid features (n, 5120)."""
        maps = self.features((images * 2.0 - 1.0).expand(-1, 3, -1, -1))
        return functional.adaptive_avg_pool2d(maps, GRID).flatten(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and squared Mahalanobis distances per component."""
        reduced = (self.raw(images) - self.mean) @ self.components.T
        off = reduced - self.centre
        distance = ((off @ self.precision) * off).sum(dim=1, keepdim=True) / len(self.centre)
        return self.head(reduced), distance
