"""Networks that agree on the early layers: one trunk, a tail for each, one linear head.

Networks that were trained with their early layers frozen share them, and a linear head on the maps
of all tails is again a network that ends in mean and linear layer: Grad-CAM stays a weighted sum of
its maps (`models.explain`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.backbone import CHANNELS, Backbone, EfficientNetLite, Pooled, rgb


class Committee(Pooled):
    """Grey images in, (logits, feature maps of all members) out.

    ``trunk``: how many of EfficientNet-Lite0's layers the members share. Input: (n, 1, edge, edge),
    0 to 1. Output: logits (n, labels) and maps (n, 1280 * members, edge/32, edge/32).
    """

    def __init__(self, labels: int, members: int, trunk: int) -> None:
        super().__init__(CHANNELS * members, labels, 0.0)
        whole = [EfficientNetLite(labels).features for _ in range(members)]
        self.shared = trunk
        self.trunk = whole[0][:trunk]
        self.tails = nn.ModuleList([features[trunk:] for features in whole])

    def maps(self, images: Tensor) -> Tensor:
        """Return the last feature maps of each member, one behind the other."""
        seen = self.trunk(rgb(images))
        return torch.cat([tail(seen) for tail in self.tails], dim=1)

    @torch.no_grad()
    def take(self, networks: Sequence[Backbone], weights: Sequence[float]) -> None:
        """Take the layers of networks that share a trunk, and the weighted sum of their heads."""
        self.trunk.load_state_dict(networks[0].features[: self.shared].state_dict())
        for tail, network in zip(self.tails, networks, strict=True):
            tail.load_state_dict(network.features[self.shared :].state_dict())
        heads = [(network.head, weight) for network, weight in zip(networks, weights, strict=True)]
        self.head.weight.copy_(torch.cat([h.weight * weight for h, weight in heads], dim=1))
        self.head.bias.copy_(torch.stack([h.bias * weight for h, weight in heads]).sum(dim=0))
        self.eval()
