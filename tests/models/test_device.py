"""A GPU without memory, and one that is lost, by injection on the CPU."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dicom_node.errors import DeviceLost, InferenceFailed
from models.graph import Plane


class Scarce(nn.Module):
    """A network whose device takes ``most`` images at a time, and fails as ``error`` says."""

    def __init__(self, most: int, error: RuntimeError) -> None:
        super().__init__()
        self.most = most
        self.error = error
        self.sizes: list[int] = []

    def __deepcopy__(self, memo: object) -> "Scarce":
        """Return what runs on the CPU, which has memory enough."""
        del memo
        other = Scarce(1 << 20, self.error)
        other.sizes = self.sizes
        return other

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        if len(images) > self.most:
            raise self.error
        return images * 2


IMAGES = np.arange(7 * 4 * 4, dtype=np.float32).reshape(7, 4, 4)
OUT_OF_MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize("most", [7, 3, 1, 0])
def test_images_are_read_in_parts_or_on_the_cpu(most: int) -> None:
    network = Scarce(most, OUT_OF_MEMORY)
    found = Plane(network, "cpu")(IMAGES)
    assert np.array_equal(found, IMAGES[:, np.newaxis] * 2)
    assert network.sizes[0] == len(IMAGES)
    assert (1 in network.sizes) is (most < 3)


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: device-side assert triggered\nmore"),
    ],
)
def test_error_that_stays_is_a_lost_device(error: RuntimeError) -> None:
    with pytest.raises(DeviceLost) as caught:
        Plane(Scarce(0, error), "cpu")(IMAGES)
    assert (caught.value.retryable, caught.value.counts) == (True, False)


def test_other_error_is_the_networks() -> None:
    with pytest.raises(InferenceFailed):
        Plane(Scarce(0, RuntimeError("shapes do not fit")), "cpu")(IMAGES)
