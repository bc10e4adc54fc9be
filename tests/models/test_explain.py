"""Grad-CAM from one forward pass."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.domain import Box
from models import explain
from models.backbone import MobileNet


def test_grad_cam_equals_the_gradient_of_the_relative_logit() -> None:
    torch.manual_seed(4)
    network = MobileNet(3).eval()
    images = torch.rand(1, 1, 96, 96)
    logits, maps = network(images)
    maps.retain_grad()
    (logits[0, 1] - logits[0].mean()).backward()
    assert maps.grad is not None
    gradient = maps.grad.mean(dim=(2, 3))[0]
    expected = torch.relu((gradient[:, None, None] * maps[0]).sum(dim=0)).detach().numpy()

    head = network.head.weight.detach().numpy()
    found = explain.grad_cam(maps[0].detach().numpy(), explain.relative(head, 1), Box(0, 0, 96, 96))

    np.testing.assert_allclose(found.coarse, expected / expected.max(), atol=1e-4)


@given(
    coarse=st.lists(st.floats(-1, 1, width=32), min_size=49, max_size=49),
    rows=st.integers(10, 200),
    columns=st.integers(10, 200),
    inset=st.floats(0, 0.2),
)
@settings(max_examples=50, deadline=None)
def test_region_and_heatmap_stay_inside_the_image(
    coarse: list[float], rows: int, columns: int, inset: float
) -> None:
    maps = np.array(coarse, dtype=np.float32).reshape(1, 7, 7)
    seen = Box(inset * columns, inset * rows, columns * (1 - inset), rows * (1 - inset))
    evidence = explain.grad_cam(maps, np.ones(1, dtype=np.float32), seen)

    box = explain.region(evidence, rows, columns)
    drawn = explain.heatmap(evidence, rows, columns)

    assert 0 <= box.left < box.right <= columns
    assert 0 <= box.top < box.bottom <= rows
    assert drawn.shape == (rows, columns)
    assert 0.0 <= float(drawn.min()) <= float(drawn.max()) <= 1.0


def test_flat_evidence_names_the_whole_image() -> None:
    flat = explain.grad_cam(
        np.ones((2, 7, 7), dtype=np.float32), np.ones(2, dtype=np.float32), Box(5, 5, 50, 50)
    )

    assert flat.is_flat
    assert explain.region(flat, 60, 70) == Box(0, 0, 70, 60)
    assert not explain.heatmap(flat, 60, 70).any()


def test_region_surrounds_the_peak() -> None:
    maps = np.zeros((1, 7, 7), dtype=np.float32)
    maps[0, 5, 1] = 1.0
    evidence = explain.grad_cam(maps, np.ones(1, dtype=np.float32), Box(0, 0, 700, 700))

    box = explain.region(evidence, 700, 700)

    assert box.left <= 150 <= box.right
    assert box.top <= 550 <= box.bottom
    assert (box.right - box.left) < 300
