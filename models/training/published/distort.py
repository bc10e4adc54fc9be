"""The augmentation of the published recipes: one random affine map for each image."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from models.training.published.section import Distort


def _spread(n: int, most: float, random: torch.Generator) -> Tensor:
    """Return ``n`` numbers between -most and most."""
    return (torch.rand(n, generator=random) * 2.0 - 1.0) * most


def _sign(n: int, flips: bool, random: torch.Generator) -> Tensor:
    """Return -1 for about half of ``n`` where ``flips``, else 1."""
    turned = torch.rand(n, generator=random) < (0.5 if flips else 0.0)
    return 1.0 - 2.0 * turned.float()


def distort(images: Tensor, how: Distort, random: torch.Generator) -> Tensor:
    """Return changed images (n, c, edge, edge); what comes from outside repeats the border.

    As Keras's ImageDataGenerator with ``fill_mode="nearest"``, which all of them used.
    """
    n = len(images)
    angle = _spread(n, math.radians(how.rotation_deg), random)
    shear = _spread(n, math.radians(how.shear_deg), random)
    wide = (1.0 + _spread(n, how.zoom, random)) * _sign(n, how.flip, random)
    high = (1.0 + _spread(n, how.zoom, random)) * _sign(n, how.flip_vertical, random)
    across, along = (_spread(n, 2.0 * how.shift, random) for _ in range(2))
    theta = torch.stack(
        [
            torch.stack([wide * angle.cos(), -high * (angle + shear).sin(), across], dim=1),
            torch.stack([wide * angle.sin(), high * (angle + shear).cos(), along], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False, padding_mode="border")
