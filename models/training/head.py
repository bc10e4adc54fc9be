"""Fitting the head of a network anew, on what its features make of unchanged images.

Last-layer retraining (Kirichenko et al. 2023, arXiv:2204.02937): training sees blurred, covered
and noisy images for the sake of the features; the head had better know plain ones.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.backbone import Pooled
from models.graph import softmax
from models.training import draws
from models.training.draws import EVAL_BATCH, Prepare
from models.training.progress import Progress
from models.training.scores import Part

Index = NDArray[np.int64]

_LEAST_SPREAD: Final = 1e-3
_SHARE: Final = 0.75
"""How far the head is moved."""


def features(
    network: Pooled, images: NDArray[np.uint8], prepare: Prepare, progress: Progress
) -> NDArray[np.float32]:
    """Return the mean feature maps (n, channels) of prepared images."""
    network.eval()
    device = next(network.parameters()).device
    found = []
    starts = range(0, len(images), EVAL_BATCH)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for start in progress.track(starts, "features"):
            batch = prepare(draws.tensor(images[start : start + EVAL_BATCH])).to(device)
            maps = network.maps(draws.channels_last(batch))
            found.append(maps.float().mean(dim=(2, 3)).cpu())
    return torch.cat(found).numpy()


def _spelt_out(part: Part, p: NDArray[np.float64]) -> tuple[Index, Index, NDArray[np.float64]]:
    """Return (image, class, weight) of every class that an image's label allows.

    Where it allows several, each counts as much as the network now believes in it.
    """
    image, label = np.nonzero(part.allowed)
    believed = np.where(part.allowed, p, 0.0)
    share = believed / believed.sum(axis=1, keepdims=True)
    return image, label, part.weights[image] * share[image, label]


def refit(
    network: Pooled, part: Part, prepare: Prepare, strength: float, progress: Progress
) -> None:
    """Move the linear head most of the way to the one that fits a part's plain images best.

    Three quarters of the way were better on val than half of it, and than all. ``strength``:
    inverse regularisation on standardised features.
    """
    seen = features(network, part.images, prepare, progress)
    old, bias = (tensor.detach().cpu().numpy() for tensor in network.head.parameters())
    image, label, weight = _spelt_out(part, softmax(seen @ old.T + bias, 1.0).astype(np.float64))
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + _LEAST_SPREAD
    scaled = (seen - mean) / spread
    model = LogisticRegression(C=strength, max_iter=500)
    model.fit(scaled[image], label, sample_weight=weight * len(seen) / weight.sum())
    coefficients = model.coef_ / spread
    with torch.no_grad():
        fitted = torch.from_numpy(coefficients).to(network.head.weight)
        network.head.weight.lerp_(fitted, _SHARE)
        intercept = torch.from_numpy(model.intercept_ - coefficients @ mean)
        network.head.bias.lerp_(intercept.to(network.head.bias), _SHARE)
