"""Fitting the head of a network anew, on what its features make of unchanged images.

Last-layer retraining (Kirichenko et al. 2023, arXiv:2204.02937): training sees blurred, covered
and noisy images for the sake of the features; the head had better know plain ones.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models.backbone import Backbone
from models.training import draws
from models.training.draws import EVAL_BATCH, Prepare
from models.training.progress import Progress
from models.training.scores import Part

_LEAST_SPREAD = 1e-3


def features(
    network: Backbone, images: NDArray[np.uint8], prepare: Prepare, progress: Progress
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


def refit(
    network: Backbone, part: Part, prepare: Prepare, strength: float, progress: Progress
) -> None:
    """Fit the linear head to a part's images with one label each, by the part's weights.

    ``strength``: inverse regularisation on standardised features.
    """
    targets = part.targets
    plain = np.flatnonzero(targets >= 0)
    seen = features(network, part.images[plain], prepare, progress)
    mean, spread = seen.mean(axis=0), seen.std(axis=0) + _LEAST_SPREAD
    weights = part.weights[plain] * len(plain) / part.weights[plain].sum()
    model = LogisticRegression(C=strength, max_iter=500)
    model.fit((seen - mean) / spread, targets[plain], sample_weight=weights)
    coefficients = model.coef_ / spread
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(coefficients))
        network.head.bias.copy_(torch.from_numpy(model.intercept_ - coefficients @ mean))
