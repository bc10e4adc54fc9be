"""The networks of the published recipes: a backbone, and the dense layers they put on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn

from models import backbone as backbones
from models import torchvision_compat
from models.backbone import MobileNet
from models.training.progress import Progress
from models.training.published.section import BackboneName, Published

assert torchvision_compat  # noqa: S101  # imported for its effect, before torchvision
from torchvision.models import (  # noqa: E402
    Inception_V3_Weights,
    VGG16_Weights,
    inception_v3,
    vgg16,
)

_EVEN: Final = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Mean and deviation that give x / 127.5 - 1, which Inception V3 and the MobileNetV2 expect."""
_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's colours, which torchvision's VGG16 expects."""
_DOWNLOADED: Final = ("inception_v3", "vgg16")
_PLAIN: Final = (64, 64, 128, 128, 256, 256, 512, 512)


class PublishedNetwork(nn.Module):
    """Grey images (n, 1, edge, edge), 0 to 1, in; logits and feature maps out."""

    def __init__(
        self, name: BackboneName, features: nn.Sequential, shape: Published, dropout: float
    ) -> None:
        super().__init__()
        self.name = name
        mean, deviation = _IMAGENET if name == "vgg16" else _EVEN
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(deviation).view(1, 3, 1, 1), persistent=False
        )
        self.features = features
        pooled = nn.AvgPool2d(shape.pool)
        with torch.no_grad():
            width = pooled(features.eval()(torch.zeros(1, 3, shape.edge, shape.edge))).numel()
        self.head = nn.Sequential(
            pooled,
            nn.Flatten(),
            nn.Linear(width, shape.dense),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(shape.dense, len(shape.labels)),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and feature maps of grey images, made three equal colours."""
        colour = images.expand(-1, 3, -1, -1)
        maps = self.features((colour - self.get_buffer("mean")) / self.get_buffer("deviation"))
        return self.head(maps), maps


def plain(channels: Sequence[int] = _PLAIN) -> nn.Sequential:
    """Return eight 3 x 3 convolutions with a pool after every second one, nothing learnt."""
    layers: list[nn.Module] = []
    before = 3
    for index, width in enumerate(channels):
        convolution = nn.Conv2d(before, width, 3, padding=1)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers += [convolution, nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if index % 2 else []
        before = width
    return nn.Sequential(*layers)


def _inception(weights: Inception_V3_Weights | None) -> nn.Sequential:
    """Return Inception V3 up to its last mixed block, without the auxiliary classifier."""
    whole = inception_v3(weights=weights, init_weights=False)
    names = [name for name, _ in whole.named_children()]
    kept = [name for name in names[: names.index("avgpool")] if name != "AuxLogits"]
    return nn.Sequential(*(whole.get_submodule(name) for name in kept))


def empty(name: BackboneName) -> nn.Sequential:
    """Return the layers of a backbone without what ImageNet taught them."""
    if name == "vgg16":
        return cast("nn.Sequential", vgg16().features)
    if name == "inception_v3":
        return _inception(None)
    return plain() if name == "scratch" else MobileNet(1).features


def downloaded(name: BackboneName) -> nn.Sequential:
    """Return a backbone with torchvision's ImageNet weights; raise URLError without network."""
    if name == "inception_v3":
        return _inception(Inception_V3_Weights.IMAGENET1K_V1)
    return cast("nn.Sequential", vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features)


@dataclass(frozen=True, slots=True)
class Start:
    """A backbone as training begins with it, and which one it is."""

    name: BackboneName
    features: nn.Sequential


def start(
    section: Published,
    file: Path,
    images: Callable[[], Tensor],
    progress: Progress,
    fetch: Callable[[BackboneName], nn.Sequential] = downloaded,
) -> Start:
    """Return the recipe's backbone, or its fallback where the first cannot be downloaded.

    ``file`` holds the weights of MobileNetV2, whose batch norms take their statistics from
    ``images`` (n, 1, edge, edge). Raises ModelNotFound where ``file`` is needed and missing.
    """
    name = section.backbone
    if name in _DOWNLOADED:
        try:
            return Start(name, fetch(name))
        except URLError as exc:
            progress.say(f"{name} cannot be downloaded ({exc.reason}): {section.fallback} instead")
            name = section.fallback
    if name == "scratch":
        return Start(name, plain())
    network = backbones.pretrained(file, 1, 0.0)
    backbones.restore_statistics(network, images())
    return Start(name, network.features)
