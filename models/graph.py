"""A network as it is served: frozen, on one device, from numpy to numpy.

Batch norms are folded into the convolutions before them and weights lie channels last.
`bench/inference.py` compares, in one run, films at 224 px on one thread of a shared two-core
machine (medians, times faster than eager; batch 1, then batch 8): channels last 1.4, 1.2; folded
and channels last 2.0, 2.1; traced and frozen 2.3, 2.3; traced with optimize_for_inference 2.3,
2.9; channels last in bfloat16 2.0, 3.5. TorchScript is deprecated in torch 2.13 and bfloat16 moves
the probabilities, so neither is served.
"""

from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dicom_node.errors import InferenceFailed
from models import torchvision_compat
from models.imaging import Float

assert torchvision_compat  # noqa: S101  # imported for its effect, before timm's torchvision
from timm.layers.norm_act import BatchNormAct2d  # noqa: E402
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual  # noqa: E402

_IN_ORDER: Final = (nn.Sequential, DepthwiseSeparableConv, InvertedResidual)
"""Modules that call their children in the order in which they are listed."""
_WITH_CHANNELS: Final = 4

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def channels_last(network: NetworkT) -> NetworkT:
    """Lay the weights out channels last, which convolutions on a CPU like best."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # documented, but not in torch's stub
    return network


def _activation(norm: nn.BatchNorm2d) -> nn.Module:
    """Return what follows a norm within itself: timm's carry their activation."""
    return norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity()


def folded(network: NetworkT) -> NetworkT:
    """Fold each batch norm into the convolution before it, in place; evaluation mode only."""
    for child in network.children():
        folded(child)
    if isinstance(network, _IN_ORDER):
        names = [name for name, _ in network.named_children()]
        for first, second in pairwise(names):
            convolution, norm = network.get_submodule(first), network.get_submodule(second)
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(network, first, fuse_conv_bn_eval(convolution, norm))
                setattr(network, second, _activation(norm))
    return network


class _Frozen:
    """One network in evaluation mode; `bench/inference.py` measures it against eager."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self._device = torch.device(device)
        self._network = channels_last(folded(network.eval().requires_grad_(requires_grad=False)))
        self._network.to(self._device)

    def _run(self, images: Float) -> tuple[Float, ...]:
        """Return the outputs for (n, edge, edge), or (n, channels, edge, edge), images.

        Raises InferenceFailed.
        """
        try:
            with torch.inference_mode():
                batch = torch.from_numpy(np.require(images, requirements=("C", "W")))
                batch = batch if batch.ndim == _WITH_CHANNELS else batch.unsqueeze(1)
                batch = batch.to(self._device, memory_format=torch.channels_last)
                found: Tensor | tuple[Tensor, ...] = self._network(batch)
                outputs = found if isinstance(found, tuple) else (found,)
                arrays = tuple(output.float().cpu().numpy() for output in outputs)
        except RuntimeError as exc:
            raise InferenceFailed(f"the network failed on {images.shape}: {exc}") from exc
        if not np.isfinite(arrays[0]).all():
            raise InferenceFailed("the network returned numbers that are not finite")
        return arrays


class Graph(_Frozen):
    """A classifier: logits and feature maps."""

    def __call__(self, images: Float) -> tuple[Float, Float]:
        """Return logits (n, labels) and feature maps (n, channels, h, w) of (n, edge, edge).

        Raises InferenceFailed.
        """
        logits, maps = self._run(images)
        return logits, maps


class Plane(_Frozen):
    """A network with one output for each place of the image."""

    def __call__(self, images: Float) -> Float:
        """Return logits (n, 1, h, w) of (n, edge, edge); raises InferenceFailed."""
        return self._run(images)[0]


def softmax(logits: Float, temperature: float) -> Float:
    """Return calibrated probabilities along the last axis."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    odds = np.exp(scaled)
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True), dtype=np.float32)
