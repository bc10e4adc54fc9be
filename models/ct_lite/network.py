"""Three networks that agree on the early layers: one trunk, three tails, one linear head.

The early layers of EfficientNet-Lite0 stay as ImageNet left them, so fold networks trained from
there share them, and the mean of their logits is again a network that ends in mean and linear
layer: Grad-CAM stays a weighted sum of its maps (`models.explain`).
"""

from collections.abc import Sequence
from typing import Final, Self

import torch
from torch import Tensor, nn

from models.backbone import CHANNELS, Backbone, EfficientNetLite

TRUNK: Final = 6
"""Stem, its norm and the first four stages: 80 maps at a sixteenth of the edge."""
MEMBERS: Final = 3
_LABELS: Final = 2


class Committee(nn.Module):
    """Grey slices in, (mean logits, feature maps of all members) out.

    Input: (n, 1, edge, edge), 0 to 1. Output: logits (n, 2) and maps
    (n, 1280 * members, edge/32, edge/32).
    """

    def __init__(self, members: int = MEMBERS) -> None:
        super().__init__()
        whole = [EfficientNetLite(_LABELS).features for _ in range(members)]
        self.trunk = whole[0][:TRUNK]
        self.tails = nn.ModuleList([features[TRUNK:] for features in whole])
        self.head = nn.Linear(CHANNELS * members, _LABELS)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and feature maps."""
        seen = self.trunk((images * 2.0 - 1.0).expand(-1, 3, -1, -1))
        maps = torch.cat([tail(seen) for tail in self.tails], dim=1)
        return self.head(maps.mean(dim=(2, 3))), maps

    @classmethod
    @torch.no_grad()
    def of(cls, networks: Sequence[Backbone]) -> Self:
        """Join networks that were trained with a frozen trunk."""
        joined = cls(len(networks))
        joined.trunk.load_state_dict(networks[0].features[:TRUNK].state_dict())
        for tail, network in zip(joined.tails, networks, strict=True):
            tail.load_state_dict(network.features[TRUNK:].state_dict())
        heads = [network.head for network in networks]
        joined.head.weight.copy_(torch.cat([h.weight for h in heads], dim=1) / len(heads))
        joined.head.bias.copy_(torch.stack([h.bias for h in heads]).mean(dim=0))
        return joined.eval()
