"""The fit itself: reproducible, resumable, bounded in time, tidy."""

import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.training import classifier, draws, recipe
from models.training.loop import Course, Ended, Plan, train
from models.training.scores import Part

T = TypeVar("T")


class Power(Exception):
    """The plug is pulled."""


@dataclass
class Watcher:
    """Progress that remembers what was said, and may pull the plug."""

    stop_after: int | None = None
    said: list[str] = field(default_factory=list)
    batches: int = 0

    def track(self, items: Sequence[T], what: str) -> Iterable[T]:
        del what
        for item in items:
            self.batches += 1
            if self.batches == self.stop_after:
                raise Power
            yield item

    def say(self, text: str) -> None:
        self.said.append(text)


class Tiny(nn.Module):
    """A network of the shape that is trained here, with norms and dropout."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU()),
            nn.Sequential(nn.Conv2d(4, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()),
        )
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(8, labels)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.features(images)
        return self.head(self.dropout(maps.mean(dim=(2, 3)))), maps


def _part(count: int, seed: int) -> Part:
    random = np.random.default_rng(seed)
    targets = np.arange(count) % 3
    images = random.integers(0, 80, (count, 16, 16), dtype=np.uint8)
    images[targets == 1, :8] += 90
    images[targets == 2, 8:] += 90
    return Part(images, np.eye(3, dtype=np.bool_)[targets], np.full(count, 1 / count))


def _noisy(images: Tensor, random: torch.Generator) -> Tensor:
    return images + 0.1 * torch.randn(images.shape, generator=random)


def _plan(folder: Path, **changed: object) -> Plan:
    values = {
        "epochs": 4,
        "images_per_epoch": 36,
        "batch": 8,
        "learning_rate": 1e-2,
        "head_learning_rate": 2e-2,
        "weight_decay": 1e-3,
        "label_smoothing": 0.05,
        "dropout": 0.3,
        "frozen_blocks": 0,
        "patience": 9,
        "average": 0.9,
        "mixup": 0.2,
        "precision": "32-true",
    }
    how = recipe.Fit.model_validate(values | changed)
    return Plan(how, _part(60, 1), _part(30, 2), _noisy, Tensor.contiguous, 7, folder / "check.pt")


def _trained(plan: Plan, watcher: Watcher | None = None) -> tuple[Tiny, Course]:
    torch.manual_seed(3)
    network = Tiny(3)
    return network, train(network, plan, watcher or Watcher())


def test_train_learns_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    watcher = Watcher()

    network, course = _trained(_plan(tmp_path / "work", epochs=8, mixup=0.0), watcher)

    assert course.history[-1].val_balanced_accuracy > 0.9
    assert course.ended is Ended.EPOCHS
    assert len(watcher.said) == 8
    assert watcher.batches == 8 * 5
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert capfd.readouterr() == ("", "")
    assert next(network.parameters()).device.type == "cpu"


def test_interrupted_fit_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, undisturbed = _trained(_plan(tmp_path / "whole"))
    with pytest.raises(Power):
        _trained(_plan(tmp_path / "cut"), Watcher(stop_after=13))
    second = Watcher()

    resumed, course = _trained(_plan(tmp_path / "cut"), second)

    assert second.said[0] == "going on after epoch 2"
    assert second.batches == 10
    assert [e.val_loss for e in course.history] == [e.val_loss for e in undisturbed.history]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_terminated_fit_exits_as_such_and_can_go_on(tmp_path: Path) -> None:
    @dataclass
    class Terminating(Watcher):
        def track(self, items: Sequence[T], what: str) -> Iterable[T]:
            for item in items:
                if what == "epoch 2/4":
                    signal.raise_signal(signal.SIGTERM)
                yield item

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as exit_code:
        _trained(_plan(tmp_path), Terminating())

    assert exit_code.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
    assert len(_trained(_plan(tmp_path))[1].history) == 4


def test_best_and_last_epoch_are_told_apart(tmp_path: Path) -> None:
    steep = {"epochs": 6, "head_learning_rate": 5.0, "learning_rate": 5.0, "average": 0.0}
    best, course = _trained(_plan(tmp_path / "best", **steep))
    last, again = _trained(_plan(tmp_path / "last", **steep, select="last"))

    losses = [epoch.val_loss for epoch in course.history]
    assert losses == [epoch.val_loss for epoch in again.history]
    assert losses.index(min(losses)) != len(losses) - 1
    assert not torch.equal(best.head.weight, last.head.weight)


def test_fit_stops_when_validation_gets_no_better(tmp_path: Path) -> None:
    frozen = {"learning_rate": 1e-9, "head_learning_rate": 1e-9, "average": 0.0}

    _, course = _trained(_plan(tmp_path, epochs=40, patience=3, images_per_epoch=8, **frozen))

    assert course.ended is Ended.PATIENCE
    assert len(course.history) < 40


def test_time_limit_ends_the_fit_after_a_whole_epoch(tmp_path: Path) -> None:
    watcher = Watcher()

    _, course = _trained(_plan(tmp_path, time_limit_min=1e-6), watcher)

    assert course.ended is Ended.TIME_LIMIT
    assert [epoch.epoch for epoch in course.history] == [1]
    assert watcher.said[-1] == "ended after epoch 1 of 4: time limit"


def test_frozen_blocks_keep_weights_and_statistics(tmp_path: Path) -> None:
    torch.manual_seed(3)
    fresh = Tiny(3).features[0].state_dict()

    network, _ = _trained(_plan(tmp_path, frozen_blocks=1))

    for name, value in network.features[0].state_dict().items():
        assert torch.equal(value, fresh[name]), name
    assert not torch.equal(network.features.state_dict()["1.1.running_mean"], torch.zeros(8))


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd"])
def test_every_optimiser_learns_in_mixed_precision(tmp_path: Path, optimiser: str) -> None:
    how = {"optimiser": optimiser, "precision": "bf16-mixed", "schedule": "inverse_time"}

    _, course = _trained(_plan(tmp_path, **how, momentum=0.9, decay=1e-3, images_per_epoch=None))

    assert course.history[-1].train_loss < course.history[0].train_loss


def test_draw_repeats_by_seed_and_epoch_and_follows_the_weights() -> None:
    weights = np.array([0.5, 0.5, 0.0])
    how = _plan(Path()).fit
    draw = draws.Draw(weights, how, 5)

    def epoch(number: int) -> list[list[int]]:
        draw.set_epoch(number)
        return [[*batch.index.tolist(), batch.seed] for batch in draw]

    assert epoch(0) == epoch(0)
    assert epoch(0) != epoch(1)
    assert all(2 not in batch[:-1] for batch in epoch(2))
    assert len(epoch(0)) == len(draw) == 5


def test_draw_without_a_number_takes_each_image_once() -> None:
    how = _plan(Path(), images_per_epoch=None).fit

    drawn = [int(i) for batch in draws.Draw(np.full(13, 1 / 13), how, 5) for i in batch.index]

    assert sorted(drawn) == list(range(13))


def test_loss_of_single_labels_is_smoothed_cross_entropy() -> None:
    raw = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0, 1, 2, 3, 1, 1])

    found = classifier.loss_of(raw, nn.functional.one_hot(targets, 4).bool(), 0.1)

    expected = nn.functional.cross_entropy(raw, targets, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(found, expected)


def test_loss_of_partial_labels_asks_only_for_their_sum() -> None:
    raw = torch.tensor([[0.0, 5.0, -5.0], [0.0, -5.0, 5.0]], requires_grad=True)
    allowed = torch.tensor([[False, True, True]] * 2)

    found = classifier.loss_of(raw, allowed, 0.0)
    torch.autograd.backward(found.sum())

    expected = -torch.log(torch.softmax(raw.detach(), dim=1)[:, 1:].sum(dim=1))
    torch.testing.assert_close(found.detach(), expected)
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()
