"""What a chest film model makes of films without their lungs, and where its evidence lies."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dicom_node.domain import Box
from models import explain
from models.backbone import Pooled
from models.card import Figure
from models.cxr_lite import preprocess
from models.training import draws, metrics
from models.training.loop import logits

Views = NDArray[np.uint8]
Labelled = tuple[NDArray[np.int64], NDArray[np.str_], Views]
"""Class indices, patients and views of films."""
_GREY: Final = 128
_COARSE: Final = 24
_HALF: Final = 127


def _painted(views: Views) -> Views:
    """Return views whose film is one grey all over: the outline of the lungs is what is left."""
    covered = views.copy()
    covered[:, 0] = _GREY
    return covered


def _surround(views: Views) -> Views:
    """Return views that show everything but the lungs, which are painted over."""
    grown = preprocess.masked(
        torch.ones(len(views), 1, *views.shape[2:]), draws.tensor(views)[:, 1:]
    )
    lungs = grown[:, 0].numpy() > 0
    covered = views.copy()
    covered[:, 0][lungs] = _GREY
    covered[:, 1] = 255
    return covered


def _shape(views: Views) -> NDArray[np.float32]:
    """Return the outlines, coarsely, as flat features."""
    part = views.shape[-1] // _COARSE
    cells = views[:, 1].reshape(len(views), _COARSE, part, _COARSE, part)
    flat = cells.mean(axis=(2, 4)).reshape(len(views), -1)
    return np.asarray(flat / 255.0, dtype=np.float32)


def _evidence_inside(network: Pooled, views: Views) -> NDArray[np.float64]:
    """Return the share of each film's Grad-CAM for its most probable class that lies on lung."""
    head = network.head.weight.detach().cpu().numpy()
    edge = views.shape[-1]
    shares = []
    network.eval()
    for view in views:
        with torch.inference_mode():
            raw, maps = network(preprocess.prepare(draws.tensor(view[np.newaxis])))
        whole = Box(0, 0, edge, edge)
        best = int(raw.argmax())
        seen = explain.grad_cam(maps[0].numpy(), explain.relative(head, best), whole)
        energy = explain.heatmap(seen, edge, edge).astype(np.float64)
        if energy.any():
            shares.append(float(energy[view[1] > _HALF].sum() / energy.sum()))
    return np.array(shares)


def controls(network: Pooled, train: Labelled, test: Labelled) -> tuple[Figure, ...]:
    """Return the controls on `core`: the shortcuts there are, and how far the model takes them."""
    truth, groups, views = test
    on = "core test, balanced accuracy over four classes"
    shape = metrics.linear_balanced_accuracy((_shape(train[2]), train[0]), (_shape(views), truth))

    def blind(name: str, changed: Views) -> Figure:
        raw = logits(network, changed, preprocess.prepare)
        return metrics.figure(name, on, metrics.balanced_accuracy(raw, truth), groups)

    inside = _evidence_inside(network, views)
    area = float((views[:, 1] > _HALF).mean())
    return (
        Figure(
            name="control: linear classifier on the outline of the lungs alone",
            on=on,
            value=round(shape, 4),
            n=len(truth),
        ),
        blind("control: this model with the lungs painted in one grey", _painted(views)),
        blind("control: this model shown everything but the lungs", _surround(views)),
        Figure(
            name="Grad-CAM energy inside the lungs, mean",
            on=f"core test, most probable class; lungs fill {area:.2f} of the view",
            value=round(float(inside.mean()) if inside.size else 0.0, 4),
            n=len(inside),
        ),
    )
