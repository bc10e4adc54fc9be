"""The worst errors of a model: what it got wrong most surely, and what it looked at.

Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) by its definition, with a gradient: for a
network with a linear head this is what `models.explain` computes without one, and it holds for
other heads too.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dicom_node.domain import Box
from models import explain
from models.imaging import Float
from models.training.draws import Prepare, tensor
from models.training.results import Part, WorstError

COUNT: Final = 12
_BATCH: Final = 8
"""Images whose gradients are held at once: a committee of networks needs 80 MB for each."""


def worst(part: Part, count: int = COUNT) -> NDArray[np.int64]:
    """Return the indices of the most confident mistakes, the worst first, one per patient."""
    confidence = part.probabilities.max(axis=1, initial=0.0)
    order = np.flatnonzero(part.wrong)
    order = order[np.argsort(-confidence[order], kind="stable")]
    _, first = np.unique(part.groups[order], return_index=True)
    chosen: NDArray[np.int64] = order[np.sort(first)][:count]
    return chosen


def grad_cam(network: nn.Module, images: Tensor, said: NDArray[np.int64]) -> list[Float]:
    """Return the evidence for class ``said`` of each image, (rows, columns), 0 to 1.

    ``network`` returns logits (n, labels) and feature maps (n, channels, h, w) of ``images``
    (n, channels, rows, columns). The logit is taken relative to the mean of all classes. All
    zero where the maps say nothing about where.
    """
    network.eval()
    found: list[Float] = []
    for start in range(0, len(images), _BATCH):
        found += _grad_cam(network, images[start : start + _BATCH], said[start : start + _BATCH])
    return found


def _grad_cam(network: nn.Module, images: Tensor, said: NDArray[np.int64]) -> list[Float]:
    device = next(network.parameters()).device
    rows, columns = images.shape[-2:]
    raw, maps = network(images.to(device, copy=True).requires_grad_())
    relative = raw - raw.mean(dim=1, keepdim=True)
    score = relative[torch.arange(len(said)), torch.from_numpy(said).to(device)].sum()
    (gradient,) = torch.autograd.grad(score, maps)
    weights = gradient.mean(dim=(2, 3)).float().cpu().numpy()
    seen = maps.detach().float().cpu().numpy()
    whole = Box(0, 0, columns, rows)
    return [
        explain.heatmap(explain.grad_cam(one, weight, whole), rows, columns)
        for one, weight in zip(seen, weights, strict=True)
    ]


def explained(
    part: Part,
    *,
    network: nn.Module,
    images: NDArray[np.uint8],
    prepare: Prepare,
    count: int = COUNT,
) -> tuple[WorstError, ...]:
    """Return the worst errors of a part with their Grad-CAM.

    ``images``, bytes in the order of the part, and ``prepare`` are those that
    `models.training.loop.logits` takes; the first channel of the network's input is shown.
    """
    chosen = worst(part, count)
    if not len(chosen):
        return ()
    films = prepare(tensor(images[chosen]))
    evidence = grad_cam(network, films, part.said[chosen])
    return tuple(
        WorstError(
            id=str(part.ids[index]),
            part=part.name,
            truth=_truth(part, int(index)),
            said=part.labels[int(part.said[index])],
            probability=float(part.probabilities[index].max()),
            film=film,
            evidence=heat,
        )
        for index, film, heat in zip(chosen, films[:, 0].numpy(), evidence, strict=True)
    )


def _truth(part: Part, index: int) -> str:
    if part.known[index]:
        return part.labels[int(part.truth[index])]
    return f"not {part.labels[int(part.said[index])]} (which class is not known)"
