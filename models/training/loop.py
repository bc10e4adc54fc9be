"""Fitting a network: weighted epochs, averaged weights, early stopping on validation."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.backbone import MobileNet, restore_statistics
from models.graph import channels_last
from models.training.progress import Progress
from models.training.recipe import Fit
from models.training.scores import Part, calibrated_loss, weighted_balanced_accuracy

Index = NDArray[np.int64]
_EVAL_BATCH = 64
_WARM_UP = 0.1
_STATISTICS = 128
"""Images that the batch norms' statistics are taken from."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the history; ``val_loss`` is at the best temperature, which is set later."""

    epoch: int
    train_loss: float
    val_loss: float
    val_balanced_accuracy: float
    seconds: float


@dataclass(slots=True)
class Fitted:
    """The best weights seen, and how the run went."""

    network: MobileNet
    history: list[Epoch] = field(default_factory=list)


def tensor(images: NDArray[np.uint8]) -> Tensor:
    """Return (n, 1, edge, edge) float32, 0 to 1."""
    return torch.from_numpy(images).unsqueeze(1).float() / 255.0


def logits(
    network: MobileNet,
    images: NDArray[np.uint8],
    prepare: Callable[[Tensor], Tensor],
    *,
    fast: bool = False,
) -> NDArray[np.float32]:
    """Return logits (n, labels) of prepared images; ``fast`` computes in bfloat16."""
    network.eval()
    out = []
    device = next(network.parameters()).device
    with torch.inference_mode():
        for start in range(0, len(images), _EVAL_BATCH):
            batch = prepare(tensor(images[start : start + _EVAL_BATCH])).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=fast):
                raw, _ = network(batch.contiguous(memory_format=torch.channels_last))
            out.append(raw.float().cpu())
    return torch.cat(out).numpy()


def _freeze(network: MobileNet, blocks: int) -> None:
    for block in list(network.features)[:blocks]:
        block.requires_grad_(requires_grad=False)


def _train_mode(network: MobileNet, blocks: int) -> None:
    """Train mode for all but the frozen blocks, whose batch statistics stay."""
    network.train()
    for block in list(network.features)[:blocks]:
        block.eval()


class _Average:
    """Exponential moving average of weights and batch statistics (Polyak)."""

    def __init__(self, network: MobileNet, decay: float) -> None:
        self.network = copy.deepcopy(network)
        self._decay = decay
        self.steps = 0

    def update(self, network: nn.Module) -> None:
        self.steps += 1
        decay = min(self._decay, self.steps / (self.steps + 10))
        mine, theirs = self.network.state_dict(), network.state_dict()
        for name, value in mine.items():
            if value.is_floating_point():
                value.lerp_(theirs[name], 1.0 - decay)
            else:
                value.copy_(theirs[name])


def _schedule(step: int, steps: int) -> float:
    """Warm up linearly, then fall along a cosine."""
    done = step / steps
    if done < _WARM_UP:
        return done / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


def _restore(network: MobileNet, plan: "Plan") -> None:
    draw = np.random.default_rng(plan.seed)
    chosen = draw.choice(len(plan.train.targets), _STATISTICS, p=plan.train.weights)
    random = torch.Generator().manual_seed(plan.seed)
    images = plan.change(tensor(plan.train.images[chosen]), random)
    restore_statistics(network, images.to(next(network.parameters()).device))


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything one fit needs besides the network."""

    fit: Fit
    train: Part
    val: Part
    change: Callable[[Tensor, torch.Generator], Tensor]
    prepare: Callable[[Tensor], Tensor]
    seed: int
    checkpoint: Path


def _optimiser(network: MobileNet, how: Fit) -> torch.optim.AdamW:
    trunk = [p for p in network.features.parameters() if p.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": trunk, "lr": how.learning_rate},
            {"params": network.head.parameters(), "lr": how.head_learning_rate},
        ],
        weight_decay=how.weight_decay,
    )


class _Run:
    """One fit under way."""

    def __init__(self, network: MobileNet, plan: Plan, progress: Progress) -> None:
        how = plan.fit
        self._network = network
        self._plan = plan
        self._progress = progress
        self._device = next(network.parameters()).device
        self._steps = math.ceil(how.images_per_epoch / how.batch)
        self._optimiser = _optimiser(network, how)
        self._scheduler = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: _schedule(step + 1, self._steps * how.epochs)
        )
        self._random = torch.Generator().manual_seed(plan.seed)
        self.average = _Average(network, how.average)

    def epoch(self, number: int) -> Epoch:
        """Train for one epoch and measure the averaged weights on validation."""
        started = time.perf_counter()
        how, train = self._plan.fit, self._plan.train
        draw = np.random.default_rng((self._plan.seed, number))
        chosen = draw.choice(len(train.targets), (self._steps, how.batch), p=train.weights)
        _train_mode(self._network, how.frozen_blocks)
        what = f"epoch {number}/{how.epochs}"
        losses = [self._step(index) for index in self._progress.track(list(chosen), what)]
        raw = logits(self.average.network, self._plan.val.images, self._plan.prepare, fast=True)
        return Epoch(
            epoch=number,
            train_loss=float(np.mean(losses)),
            val_loss=calibrated_loss(raw, self._plan.val),
            val_balanced_accuracy=weighted_balanced_accuracy(raw, self._plan.val),
            seconds=time.perf_counter() - started,
        )

    def _step(self, index: Index) -> float:
        train = self._plan.train
        images = self._plan.change(tensor(train.images[index]), self._random).to(self._device)
        images = images.contiguous(memory_format=torch.channels_last)
        targets = torch.from_numpy(train.targets[index]).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16):
            out, _ = self._network(images)
        smoothing = self._plan.fit.label_smoothing
        loss = functional.cross_entropy(out.float(), targets, label_smoothing=smoothing)
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self._optimiser.step()
        self._scheduler.step()
        self.average.update(self._network)
        return loss.item()

    def save(self, history: list[Epoch]) -> None:
        """Write down everything that a later process needs to go on after this epoch."""
        state = {
            "network": self._network.state_dict(),
            "average": self.average.network.state_dict(),
            "steps": self.average.steps,
            "optimiser": self._optimiser.state_dict(),
            "scheduler": {"last_epoch": self._scheduler.last_epoch},
            "random": self._random.get_state(),
            "history": [asdict(epoch) for epoch in history],
        }
        partial = self._plan.checkpoint.with_suffix(".part")
        partial.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, partial)
        partial.replace(self._plan.checkpoint)
        if history[-1] is min(history, key=lambda epoch: epoch.val_loss):
            torch.save(self.average.network.state_dict(), self._best)

    def resume(self) -> list[Epoch]:
        """Go on where a checkpoint of the same recipe ended; return its history, or nothing."""
        if not self._plan.checkpoint.is_file():
            return []
        state = torch.load(self._plan.checkpoint, map_location=self._device, weights_only=True)
        self._network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.average.steps = state["steps"]
        self._optimiser.load_state_dict(state["optimiser"])
        self._scheduler.last_epoch = state["scheduler"]["last_epoch"]
        self._random.set_state(state["random"].cpu())
        return [Epoch(**epoch) for epoch in state["history"]]

    def best(self) -> MobileNet:
        """Return the averaged weights of the epoch with the least validation loss."""
        state = torch.load(self._best, map_location=self._device, weights_only=True)
        self.average.network.load_state_dict(state)
        return self.average.network

    def finished(self) -> None:
        """Remove the checkpoint; the result is what remains."""
        self._plan.checkpoint.unlink()
        self._best.unlink()

    @property
    def _best(self) -> Path:
        return self._plan.checkpoint.with_suffix(".best")


def _stale(history: list[Epoch]) -> int:
    """Return how many epochs have passed since the best one."""
    best = min(history, key=lambda epoch: epoch.val_loss)
    return history[-1].epoch - best.epoch


def fit(network: MobileNet, plan: Plan, progress: Progress) -> Fitted:
    """Fit ``network`` and return the averaged weights of the best epoch on validation.

    Each epoch is checkpointed; an interrupted run goes on with the next epoch.
    """
    channels_last(network)
    _freeze(network, plan.fit.frozen_blocks)
    _restore(network, plan)
    run = _Run(network, plan, progress)
    history = run.resume()
    if history:
        progress.say(f"going on after epoch {history[-1].epoch}")
    for number in range(len(history) + 1, plan.fit.epochs + 1):
        history.append(run.epoch(number))
        run.save(history)
        progress.say(str(history[-1]))
        if _stale(history) >= plan.fit.patience:
            break
    best = run.best()
    run.finished()
    return Fitted(best, history)
