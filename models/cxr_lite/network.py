"""The film model's network: what it says comes from the lungs, and is the same in the mirror."""

from collections.abc import Callable, Iterable
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn import functional

from models.backbone import Backbone, EfficientNetLite, Pooled
from models.committee import Committee

TRUNK: Final = 5
"""Stem, its norm and the first three stages: 40 maps at an eighth of the edge."""
_LEAST_LUNG: Final = 1e-3
"""Maps are never divided by less than this share of lung."""


def within(maps: Tensor, lungs: Tensor) -> Tensor:
    """Return feature maps (n, c, h, w) weighted by how much of each place is lung.

    ``lungs`` (n, 1, edge, edge), 0 to 1. Their mean is the mean of the maps over the lungs, so a
    linear head on it hears nothing that lies beside them, and Grad-CAM on what is returned is
    what each place adds to a logit.
    """
    rows, columns = maps.shape[-2:]
    share = functional.adaptive_avg_pool2d(lungs, (rows, columns))
    return maps * (share / share.mean(dim=(2, 3), keepdim=True).clamp_min(_LEAST_LUNG))


def _both_ways(maps: Callable[[Tensor], Tensor], films: Tensor) -> Tensor:
    """Return the mean of the maps of films and of their mirror images.

    Opacities lie on either side, but the network's padding does not: without this, evidence stays
    on one side of the image when the film is mirrored.
    """
    seen, mirrored = maps(torch.cat([films, films.flip(-1)])).chunk(2)
    return (seen + mirrored.flip(-1)) / 2.0


class LungNetwork(EfficientNetLite):
    """EfficientNet-Lite0 on lungs, as it is trained: films and outlines in, (logits, maps) out.

    Input: (n, 2, edge, edge), 0 to 1: film, and lungs. Output as of `models.backbone.Backbone`;
    once trained, of a film and its mirror image.
    """

    def maps(self, images: Tensor) -> Tensor:
        """Return the last feature maps inside the lungs; in training, of the film alone."""
        films, lungs = images[:, :1], images[:, 1:]
        if self.training:
            return within(super().maps(films), lungs)
        return within(_both_ways(super().maps, films), lungs)


class LungCommittee(Committee):
    """A trained network and ImageNet's own features beside it: what ships.

    What training makes of the late layers knows the hospitals that it saw; what ImageNet left there
    knows none, and tells apart less. A linear head on both was better at hospitals not seen than a
    head on either. Input as of `LungNetwork`; maps are (n, 2560, edge/32, edge/32).
    """

    def __init__(self, labels: int) -> None:
        super().__init__(labels, 2, TRUNK)

    def maps(self, images: Tensor) -> Tensor:
        """Return the last feature maps of both inside the lungs."""
        return within(_both_ways(super().maps, images[:, :1]), images[:, 1:])

    @classmethod
    def of(cls, trained: Backbone, untrained: Backbone) -> Self:
        """Join a network that was trained with a frozen trunk and ImageNet's, not yet heard."""
        joined = cls(trained.head.out_features)
        joined.take([trained, untrained], [1.0, 0.0])
        return joined


def blank(tensors: Iterable[str], labels: int) -> Pooled:
    """Return the network, not yet filled, whose tensors have these names.

    What a recipe trained alone can be served too.
    """
    joined = any(name.startswith("tails.") for name in tensors)
    return LungCommittee(labels) if joined else LungNetwork(labels)
