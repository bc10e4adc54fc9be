"""A network as it is served: frozen, on one device, from numpy to numpy.

Batch norms are folded into the convolutions before them and weights lie channels last.
`bench/inference.py` compares, in one run, films at 224 px on one thread of a shared two-core
machine (medians, times faster than eager; batch 1, then batch 8): channels last 1.4, 1.2; folded
and channels last 2.0, 2.1; traced and frozen 2.3, 2.3; traced with optimize_for_inference 2.3,
2.9; channels last in bfloat16 2.0, 3.5. TorchScript is deprecated in torch 2.13 and bfloat16 moves
the probabilities, so neither is served.
"""

import copy
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dicom_node import log
from dicom_node.errors import DeviceLost, InferenceFailed
from models import torchvision_compat
from models.imaging import Float

assert torchvision_compat  # noqa: S101  # imported for its effect, before timm's torchvision
from timm.layers.norm_act import BatchNormAct2d  # noqa: E402
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual  # noqa: E402

_IN_ORDER: Final = (nn.Sequential, DepthwiseSeparableConv, InvertedResidual)
"""Modules that call their children in the order in which they are listed."""
_WITH_CHANNELS: Final = 4
_CPU: Final = torch.device("cpu")

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


def is_lost(error: RuntimeError) -> bool:
    """Tell whether the error is one of CUDA's that each later call of the process meets too."""
    if isinstance(error, torch.OutOfMemoryError):
        return False
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)


def _words(error: RuntimeError) -> str:
    return str(error).partition("\n")[0]


class _Frozen:
    """One network in evaluation mode; `bench/inference.py` measures it against eager."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self._device = torch.device(device)
        self._network = channels_last(folded(network.eval().requires_grad_(requires_grad=False)))
        self._network.to(self._device)

    def _run(self, images: Float) -> tuple[Float, ...]:
        """Return the outputs for (n, edge, edge), or (n, channels, edge, edge), images.

        Where the GPU has too little memory for all of them the halves are read one after the other,
        and a single image on the CPU. Raises InferenceFailed, DeviceLost.
        """
        try:
            arrays = self._fitted(images)
        except RuntimeError as exc:
            if is_lost(exc):
                raise DeviceLost(f"the GPU is lost to this process: {_words(exc)}") from exc
            raise InferenceFailed(f"the network failed on {images.shape}: {exc}") from exc
        if not np.isfinite(arrays[0]).all():
            raise InferenceFailed("the network returned numbers that are not finite")
        return arrays

    def _fitted(self, images: Float) -> tuple[Float, ...]:
        try:
            return self._on(self._device, self._network, images)
        except torch.OutOfMemoryError as exc:
            log.get().warning("gpu.out_of_memory", count=len(images), error=_words(exc))
        torch.cuda.empty_cache()
        half = len(images) // 2
        if half == 0:
            return self._on(_CPU, copy.deepcopy(self._network).to(_CPU), images)
        parts = (self._fitted(images[:half]), self._fitted(images[half:]))
        return tuple(np.concatenate(pair) for pair in zip(*parts, strict=True))

    @staticmethod
    def _on(device: torch.device, network: nn.Module, images: Float) -> tuple[Float, ...]:
        with torch.inference_mode():
            batch = torch.from_numpy(np.require(images, requirements=("C", "W")))
            batch = batch if batch.ndim == _WITH_CHANNELS else batch.unsqueeze(1)
            batch = batch.to(device, memory_format=torch.channels_last)
            found: Tensor | tuple[Tensor, ...] = network(batch)
            outputs = found if isinstance(found, tuple) else (found,)
            return tuple(output.float().cpu().numpy() for output in outputs)


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
