"""Grad-CAM for networks that end in mean and linear layer, from one forward pass.

For such a network the gradient of a class's logit with respect to a feature map is that class's
weight divided by the number of pixels, everywhere; Grad-CAM (arXiv:1610.02391) is therefore the
weighted sum of the maps. Softmax does not change when all logits shift alike, so the weights are
taken relative to their mean over the classes: evidence for this class rather than for all.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from dicom_node.domain import Box
from models.imaging import Float, resize

_FLAT: Final = 1e-3
"""A map that varies by less than this part of its maximum says nothing about where."""
_REGION_EDGE: Final = 64
"""Regions are found on a map of this edge: finer than the evidence, far coarser than the film."""
REGION_LEVEL: Final = 0.5
"""A region is where the evidence exceeds this part of its maximum."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """A coarse map, 0 to 1, and the box of the source image that it covers; flat: all zero."""

    coarse: Float
    box: Box

    @property
    def is_flat(self) -> bool:
        """Whether the map says nothing about where."""
        return not bool(self.coarse.any())


def relative(head: Float, index: int) -> Float:
    """Return the weights (channels,) of one class relative to the mean of all classes."""
    row: Float = head[index] - head.mean(axis=0)
    return row


def grad_cam(maps: Float, weights: Float, box: Box) -> Evidence:
    """Return the evidence of feature maps (channels, h, w) seen inside ``box``."""
    raw = np.maximum(np.tensordot(weights, maps, axes=1), 0.0)
    peak = float(raw.max())
    if peak <= 0.0 or peak - float(raw.min()) < _FLAT * peak:
        return Evidence(np.zeros_like(raw, dtype=np.float32), box)
    return Evidence((raw / peak).astype(np.float32), box)


def inside(evidence: Evidence, share: Float) -> Evidence:
    """Return the evidence of a network that saw only a part of each place.

    ``share`` (h, w), 0 to 1: how much of it. What leaks over the border of what was seen is the
    width of the maps, not evidence.
    """
    kept = evidence.coarse * share
    peak = float(kept.max())
    return Evidence(kept / peak if peak > 0.0 else kept, evidence.box)


def heatmap(evidence: Evidence, rows: int, columns: int) -> Float:
    """Return the evidence as (rows, columns) of the source image, zero outside its box."""
    weights = np.zeros((rows, columns), dtype=np.float32)
    box = evidence.box
    top, bottom = int(box.top), max(int(box.top) + 1, round(box.bottom))
    left, right = int(box.left), max(int(box.left) + 1, round(box.right))
    weights[top:bottom, left:right] = np.clip(
        resize(evidence.coarse, bottom - top, right - left), 0.0, 1.0
    )
    return weights


def region(evidence: Evidence, rows: int, columns: int) -> Box:
    """Return the box around the strongest connected evidence, in source pixels.

    The whole image where the evidence is flat.
    """
    if evidence.is_flat:
        return Box(0, 0, columns, rows)
    fine = resize(evidence.coarse, _REGION_EDGE, _REGION_EDGE)
    labels, _ = ndimage.label(fine >= REGION_LEVEL * fine.max())
    strength = np.bincount(labels.ravel(), weights=fine.ravel()).astype(np.float64)
    strength[0] = 0.0
    used_rows, used_columns = np.nonzero(labels == strength.argmax())
    box = evidence.box
    dy, dx = (box.bottom - box.top) / _REGION_EDGE, (box.right - box.left) / _REGION_EDGE
    return Box(
        left=max(0.0, box.left + float(used_columns.min()) * dx),
        top=max(0.0, box.top + float(used_rows.min()) * dy),
        right=min(float(columns), box.left + float(used_columns.max() + 1) * dx),
        bottom=min(float(rows), box.top + float(used_rows.max() + 1) * dy),
    )
