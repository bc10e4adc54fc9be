"""The film model's network treats left and right alike, and hears nothing but the lungs."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from models.backbone import EfficientNetLite, Pooled
from models.cxr_lite.network import TRUNK, LungCommittee, LungNetwork, within

LABELS = 4


def _network() -> LungNetwork:
    torch.manual_seed(1)
    return LungNetwork(LABELS).eval()


def _committee() -> LungCommittee:
    """Return the trained network with another beside it that shares its trunk."""
    trained, other = _network(), EfficientNetLite(LABELS).eval()
    other.features[:TRUNK].load_state_dict(trained.features[:TRUNK].state_dict())
    return LungCommittee.of(trained, other)


@pytest.fixture(params=[_network, _committee], ids=["trained", "served"])
def network(request: pytest.FixtureRequest) -> Pooled:
    """Return either network of the film model."""
    made: Pooled = request.param()
    return made


def _films(count: int = 2, edge: int = 96) -> Tensor:
    """Return films whose lungs are two bars, one wider than the other."""
    films = torch.rand(count, 2, edge, edge)
    films[:, 1] = 0.0
    films[:, 1, 8:80, 8:40] = 1.0
    films[:, 1, 8:80, 60:90] = 1.0
    return films


def test_mirror_image_has_the_same_logits_and_mirrored_maps(network: Pooled) -> None:
    films = _films()

    with torch.inference_mode():
        logits, maps = network(films)
        of_mirror, mirrored = network(films.flip(-1))

    assert_close(of_mirror, logits, atol=1e-5, rtol=1e-4)
    assert_close(mirrored, maps.flip(-1), atol=1e-5, rtol=1e-4)


def test_logits_are_the_head_on_the_mean_of_the_maps(network: Pooled) -> None:
    with torch.inference_mode():
        logits, maps = network(_films(1))

        assert_close(logits, network.head(maps.mean(dim=(2, 3))))


def test_committee_begins_with_what_the_trained_network_says() -> None:
    trained, joined, films = _network(), _committee(), _films()

    with torch.inference_mode():
        expected, of_one = trained(films)
        found, of_both = joined(films)

    assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert_close(of_both[:, : of_one.shape[1]], of_one, atol=1e-5, rtol=1e-4)
    assert of_both.shape[1] == 2 * of_one.shape[1]
    assert not torch.equal(of_both[:, of_one.shape[1] :], of_one)


def test_training_sees_the_film_one_way_alone() -> None:
    network = _network().train()
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.eval()
    films = _films(1)

    with torch.inference_mode():
        assert not torch.allclose(network.maps(films), network.eval().maps(films))


def test_mean_of_the_maps_is_their_mean_over_the_lungs() -> None:
    maps, lungs = torch.rand(1, 3, 4, 4), torch.zeros(1, 1, 32, 32)
    lungs[:, :, :8, :16] = 1.0

    found = within(maps, lungs)

    assert_close(found.mean(dim=(2, 3)), maps[:, :, :1, :2].mean(dim=(2, 3)))
    assert not found[:, :, 1:].any()


def test_maps_of_a_film_without_an_outline_are_left_alone() -> None:
    maps = torch.rand(2, 3, 4, 4)

    assert_close(within(maps, torch.ones(2, 1, 32, 32)), maps)


def test_maps_without_any_lung_are_finite() -> None:
    assert not within(torch.rand(1, 3, 4, 4), torch.zeros(1, 1, 32, 32)).any()
