"""A network as it is served: frozen, on one device, from numpy to numpy."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from dicom_node.errors import InferenceFailed
from models.imaging import Float

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def channels_last(network: NetworkT) -> NetworkT:
    """Lay the weights out channels last, which convolutions on a CPU like best."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # documented, but not in torch's stub
    return network


class Graph:
    """One network in evaluation mode; `bench/inference.py` measures it against eager."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self._device = torch.device(device)
        self._network = channels_last(network.eval().requires_grad_(requires_grad=False))
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
