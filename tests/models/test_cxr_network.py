"""The film model's network treats left and right alike once it is trained."""

import torch
from torch.testing import assert_close

from models.cxr_lite.network import Mirrored


def _network() -> Mirrored:
    torch.manual_seed(1)
    return Mirrored(4)


def test_mirror_image_has_the_same_logits_and_mirrored_maps() -> None:
    network = _network().eval()
    images = torch.rand(2, 1, 96, 96)

    with torch.inference_mode():
        logits, maps = network(images)
        of_mirror, mirrored = network(images.flip(-1))

    assert_close(of_mirror, logits, atol=1e-5, rtol=1e-4)
    assert_close(mirrored, maps.flip(-1), atol=1e-5, rtol=1e-4)


def test_logits_are_the_head_on_the_mean_of_the_maps() -> None:
    network = _network().eval()

    with torch.inference_mode():
        logits, maps = network(torch.rand(1, 1, 96, 96))

        assert_close(logits, network.head(maps.mean(dim=(2, 3))))


def test_training_sees_the_image_alone() -> None:
    network = _network().train()
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.eval()
    images = torch.rand(1, 1, 96, 96)

    with torch.inference_mode():
        assert not torch.allclose(network.maps(images), network.eval().maps(images))
