"""The network that outlines the lungs of a chest film.

EfficientNet-Lite0 stages joined from coarse to fine as in a feature pyramid (Lin et al. 2017,
arXiv:1612.03144), down to a quarter of the input's edge.
"""

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

from models.backbone import EfficientNetLite

EDGE: Final = 192
"""Edge of the input."""
MASK_EDGE: Final = 48
"""Edge of the output."""
_TAPS: Final = {3: 24, 4: 40, 6: 112, 8: 320}
"""Layers of the backbone that are joined, with their channels; what follows is left out."""
_WIDTH: Final = 48


def _refine() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False),
        nn.BatchNorm2d(_WIDTH),
        nn.ReLU(inplace=True),
    )


class LungNetwork(nn.Module):
    """Films (n, 1, 192, 192), 0 to 1, in; logits of lung (n, 1, 48, 48) out."""

    def __init__(self, features: nn.Sequential | None = None) -> None:
        super().__init__()
        whole = features if features is not None else EfficientNetLite(1).features
        self.features = nn.Sequential(*list(whole)[: max(_TAPS) + 1])
        self.laterals = nn.ModuleList(nn.Conv2d(c, _WIDTH, 1) for c in _TAPS.values())
        self.refine = nn.ModuleList(_refine() for _ in range(len(_TAPS) - 1))
        self.head = nn.Conv2d(_WIDTH, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of lung."""
        maps, taps = (images * 2.0 - 1.0).expand(-1, 3, -1, -1), []
        for index, layer in enumerate(self.features):
            maps = layer(maps)
            if index in _TAPS:
                taps.append(maps)
        joined = self.laterals[-1](taps[-1])
        for lateral, refine, tap in zip(
            reversed(self.laterals[:-1]), reversed(self.refine), reversed(taps[:-1]), strict=True
        ):
            coarse = functional.interpolate(joined, size=tap.shape[-2:], mode="bilinear")
            joined = refine(coarse + lateral(tap))
        found: Tensor = self.head(joined)
        return found
