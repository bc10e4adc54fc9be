"""A network as it is served: frozen, on one device, from numpy to numpy.

Batch norms are folded into the convolutions before them and weights lie channels last.
`bench/inference.py` compares, in one run, films at 224 px on one thread of a shared two-core
machine (medians, times faster than eager; batch 1, then batch 8): channels last 1.4, 1.2; folded
and channels last 2.0, 2.1; traced and frozen 2.3, 2.3; traced with optimize_for_inference 2.3,
2.9; channels last in bfloat16 2.0, 3.5. TorchScript is deprecated in torch 2.13 and bfloat16 moves
the probabilities, so neither is served.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dicom_node.errors import InferenceFailed
from models.imaging import Float

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def channels_last(network: NetworkT) -> NetworkT:
    """Lay the weights out channels last, which convolutions on a CPU like best."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # documented, but not in torch's stub
    return network


def folded(network: NetworkT) -> NetworkT:
    """Fold each batch norm into the convolution before it, in place; evaluation mode only."""
    for child in network.children():
        folded(child)
    if isinstance(network, nn.Sequential):
        for index in range(len(network) - 1):
            convolution, norm = network[index], network[index + 1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                network[index] = fuse_conv_bn_eval(convolution, norm)
                network[index + 1] = nn.Identity()
    return network


class Graph:
    """One network in evaluation mode; `bench/inference.py` measures it against eager."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self._device = torch.device(device)
        self._network = channels_last(folded(network.eval().requires_grad_(requires_grad=False)))
        self._network.to(self._device)

    def __call__(self, images: Float) -> tuple[Float, Float]:
        """Return logits (n, labels) and feature maps (n, channels, h, w) of (n, edge, edge).

        Raises InferenceFailed.
        """
        try:
            with torch.inference_mode():
                batch = torch.from_numpy(np.ascontiguousarray(images)).unsqueeze(1)
                batch = batch.to(self._device, memory_format=torch.channels_last)
                outputs: tuple[Tensor, Tensor] = self._network(batch)
                logits, maps = (output.float().cpu().numpy() for output in outputs)
        except RuntimeError as exc:
            raise InferenceFailed(f"the network failed on {images.shape}: {exc}") from exc
        if not np.isfinite(logits).all():
            raise InferenceFailed("the network returned numbers that are not finite")
        return logits, maps


def softmax(logits: Float, temperature: float) -> Float:
    """Return calibrated probabilities along the last axis."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    odds = np.exp(scaled)
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True), dtype=np.float32)
