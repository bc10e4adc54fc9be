"""Random changes that hide where an image comes from, on whole batches."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from models.cxr_lite import preprocess
from models.training.recipe import Augment


def _uniform(n: int, low: float, high: float, random: torch.Generator) -> Tensor:
    return torch.rand(n, generator=random) * (high - low) + low


def _affine(images: Tensor, edge: int, how: Augment, random: torch.Generator) -> Tensor:
    """Rotate, scale, squeeze, shift and mirror; cut the central ``edge`` pixels out."""
    n = images.shape[0]
    angle = _uniform(n, -how.rotation_deg, how.rotation_deg, random) * (math.pi / 180)
    zoom = _uniform(n, how.scale[0], how.scale[1], random) * (edge / images.shape[-1])
    squeeze = torch.exp(_uniform(n, -how.aspect, how.aspect, random))
    mirror = 1.0 - 2.0 * (torch.rand(n, generator=random) < how.flip).float()
    shift = _uniform(2 * n, -how.shift, how.shift, random).view(n, 2)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    theta = torch.stack(
        [
            torch.stack([cos * squeeze * mirror, -sin / squeeze, shift[:, 0]], dim=1),
            torch.stack([sin * squeeze * mirror, cos / squeeze, shift[:, 1]], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(theta, [n, 1, edge, edge], align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False, padding_mode="zeros")


def _grey(images: Tensor, how: Augment, random: torch.Generator) -> Tensor:
    """Change gamma, contrast and brightness, and add noise."""
    n = images.shape[0]
    gamma = torch.exp(_uniform(n, -how.gamma, how.gamma, random)).view(n, 1, 1, 1)
    contrast = torch.exp(_uniform(n, -how.contrast, how.contrast, random)).view(n, 1, 1, 1)
    offset = _uniform(n, -how.contrast / 3, how.contrast / 3, random).view(n, 1, 1, 1)
    strength = _uniform(n, 0.0, how.noise, random).view(n, 1, 1, 1)
    grey = images.clamp(0.0, 1.0).pow(gamma)
    grey = (grey - 0.5) * contrast + 0.5 + offset
    return (grey + torch.randn(grey.shape, generator=random) * strength).clamp(0.0, 1.0)


def _coarsen(images: Tensor, how: Augment, random: torch.Generator) -> Tensor:
    """Lose resolution in some images, as a small JPEG would."""
    edge = images.shape[-1]
    for index in torch.flatten(
        torch.nonzero(torch.rand(len(images), generator=random) < how.coarse)
    ):
        small = int(_uniform(1, edge * 0.35, edge * 0.9, random).item())
        image = functional.interpolate(
            images[index : index + 1], size=(small, small), mode="bilinear", antialias=True
        )
        images[index : index + 1] = functional.interpolate(
            image, size=(edge, edge), mode="bilinear"
        )
    return images


def _cover(images: Tensor, how: Augment, random: torch.Generator) -> Tensor:
    """Paint random grey over a border strip, or over a patch, of some images."""
    n, edge = images.shape[0], images.shape[-1]
    for index in range(n):
        draw = torch.rand(8, generator=random)
        grey = draw[0]
        if draw[1] < how.cover_border:
            depth = 1 + int(draw[2] * 0.10 * edge)
            turned = torch.rot90(images[index], int(draw[3] * 4), (1, 2))
            turned[:, :depth] = grey
        if draw[4] < how.cover_patch:
            size = int((0.08 + 0.2 * draw[5]) * edge)
            top, left = int(draw[6] * (edge - size)), int(draw[7] * (edge - size))
            images[index, :, top : top + size, left : left + size] = grey
    return images


def _sharpen(images: Tensor, how: Augment, random: torch.Generator) -> Tensor:
    """Enhance the edges of some images, as the processing of many digital films does."""
    n = images.shape[0]
    if how.sharpen <= 0:
        return images
    amount = _uniform(n, 0.0, 2.5, random) * (torch.rand(n, generator=random) < how.sharpen)
    smooth = functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    return images + (images - smooth) * amount.view(n, 1, 1, 1)


def _cloud(images: Tensor, how: Augment, random: torch.Generator) -> Tensor:
    """Lay soft bright opacities over some images."""
    edge = images.shape[-1]
    for index in range(images.shape[0]):
        draw = torch.rand(3, generator=random)
        if draw[0] < how.clouds:
            cells = 4 + int(draw[1] * 5)
            grid = (torch.rand(1, 1, cells, cells, generator=random) > 0.75).float()  # noqa: PLR2004
            cloud = functional.interpolate(grid, size=(edge, edge), mode="bicubic")
            cloud = cloud[0].clamp(0.0, 1.0) * 0.8 * draw[2]
            images[index] = images[index] * (1.0 - cloud) + 0.8 * cloud
    return images


def outlines(
    views: Tensor, edge: int, how: Augment, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return changed films and masks (n, 1, edge, edge) each, of views (n, 2, e, e)."""
    moved = _affine(views, edge, how, random)
    films = _cloud(_grey(_coarsen(moved[:, :1], how, random), how, random), how, random)
    return films, moved[:, 1:]


def lungs(views: Tensor, how: Augment, random: torch.Generator) -> Tensor:
    """Return changed network inputs (n, 2, 192, 192) of lung views (n, 2, e, e).

    The outline is widened by another amount in each batch: it must tell nothing.
    """
    moved = _affine(views, preprocess.EDGE, how, random)
    films = _sharpen(_coarsen(moved[:, :1].contiguous(), how, random), how, random)
    films = _cover(_grey(films, how, random), how, random)
    grown = float(_uniform(1, 0.0, how.grown, random).item())
    return preprocess.masked(films, moved[:, 1:], grown)


def augment(images: Tensor, edge: int, how: Augment, random: torch.Generator) -> Tensor:
    """Return changed images (n, 1, edge, edge) of larger ones (n, 1, e, e), both 0 to 1."""
    changed = _affine(images, edge, how, random)
    changed = _coarsen(changed, how, random)
    return _cover(_grey(changed, how, random), how, random)
