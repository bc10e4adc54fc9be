"""The film model's network: what it says comes from the lungs, and is the same in the mirror."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from models.backbone import EfficientNetLite

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


class LungNetwork(EfficientNetLite):
    """EfficientNet-Lite0 on lungs: films and their outlines in, (logits, feature maps) out.

    Input: (n, 2, edge, edge), 0 to 1: film, and lungs. Output as of `models.backbone.Backbone`.

    Once trained, the maps are the mean over a film and its mirror image. Opacities lie on either
    side, but the network's padding does not: without this, evidence stays on one side of the image
    when the film is mirrored.
    """

    def maps(self, images: Tensor) -> Tensor:
        """Return the last feature maps inside the lungs; in training, of the film alone."""
        films, lungs = images[:, :1], images[:, 1:]
        if self.training:
            return within(super().maps(films), lungs)
        seen, mirrored = super().maps(torch.cat([films, films.flip(-1)])).chunk(2)
        return within((seen + mirrored.flip(-1)) / 2.0, lungs)
