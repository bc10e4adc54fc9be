"""The worst errors of a part, and the Grad-CAM that they are shown with."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dicom_node.domain import Box
from models import explain
from models.backbone import MobileNet
from models.training import mistakes
from models.training.results import Part


def _part(truth: list[int], p: list[list[float]], groups: list[str]) -> Part:
    n = len(truth)
    return Part(
        name="core test",
        labels=("normal", "covid19"),
        truth=np.array(truth),
        probabilities=np.array(p, dtype=np.float32).reshape(n, 2),
        groups=np.array(groups),
        ids=np.array([f"film-{index}" for index in range(n)]),
    )


@given(
    rows=st.lists(
        st.tuples(st.integers(-1, 1), st.floats(0, 1), st.sampled_from("abcdef")),
        min_size=1,
        max_size=30,
    ),
    count=st.integers(0, 8),
)
@settings(max_examples=100)
def test_worst_are_mistakes_of_different_patients_the_surest_first(
    rows: list[tuple[int, float, str]], count: int
) -> None:
    part = _part([r[0] for r in rows], [[r[1], 1 - r[1]] for r in rows], [r[2] for r in rows])

    chosen = mistakes.worst(part, count)

    sure = part.probabilities.max(axis=1)[chosen]
    assert part.wrong[chosen].all()
    assert len(chosen) == min(count, len(np.unique(part.groups[part.wrong])))
    assert len(np.unique(part.groups[chosen])) == len(chosen)
    assert (np.diff(sure) <= 0).all()
    for index in chosen:
        mine = part.wrong & (part.groups == part.groups[index])
        assert part.probabilities[index].max() == part.probabilities[mine].max()


def test_grad_cam_by_gradient_equals_the_served_one_of_a_linear_head() -> None:
    torch.manual_seed(4)
    network = MobileNet(3).eval().requires_grad_(requires_grad=False)
    images = torch.rand(2, 1, 96, 96)

    found = mistakes.grad_cam(network, images, np.array([1, 2]))

    _, maps = network(images)
    for index, said in enumerate((1, 2)):
        weights = explain.relative(network.head.weight.numpy(), said)
        expected = explain.grad_cam(maps[index].numpy(), weights, Box(0, 0, 96, 96))
        np.testing.assert_allclose(found[index], explain.heatmap(expected, 96, 96), atol=1e-4)


class _Bright(nn.Module):
    """Says the second class the brighter the image's upper left quarter is."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([-1.0, 1.0]))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = nn.functional.avg_pool2d(images, 2)
        quarter = maps[:, :, :2, :2].mean(dim=(1, 2, 3))
        return torch.tanh(quarter[:, None] * self.scale), maps


def test_explained_shows_the_image_the_mistake_and_where_it_was_bright() -> None:
    images = np.zeros((3, 10, 10), dtype=np.uint8)
    images[1, 1:5, 1:5] = 255
    part = _part([1, 0, 0], [[0.4, 0.6], [0.05, 0.95], [0.9, 0.1]], ["a", "b", "c"])

    (error,) = mistakes.explained(
        part, network=_Bright(), images=images, prepare=lambda batch: batch[:, :, 1:9, 1:9]
    )

    assert (error.id, error.part) == ("film-1", "core test")
    assert (error.truth, error.said, round(error.probability, 4)) == ("normal", "covid19", 0.95)
    assert error.film.shape == error.evidence.shape == (8, 8)
    assert error.film[:4, :4].min() == 1.0
    assert error.evidence[:3, :3].min() > 0.4
    assert error.evidence[5:, 5:].max() == 0.0


def test_explained_of_a_part_without_mistakes_is_empty() -> None:
    part = _part([1], [[0.4, 0.6]], ["a"])

    assert (
        mistakes.explained(
            part,
            network=_Bright(),
            images=np.zeros((1, 8, 8), dtype=np.uint8),
            prepare=lambda batch: batch,
        )
        == ()
    )
