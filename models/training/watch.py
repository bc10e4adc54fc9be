"""What accompanies a fit: averaged weights, its history, its progress, and quiet libraries."""

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor

from models import torchvision_compat
from models.training.progress import Progress

assert torchvision_compat  # noqa: S101  # imported for its effect, before Lightning's torchvision
from lightning import LightningModule, Trainer  # noqa: E402
from lightning.pytorch.callbacks import Callback, WeightAveraging  # noqa: E402

_LOGGERS: Final = ("lightning", "lightning.pytorch", "lightning.fabric")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the history; ``val_loss`` is at the best temperature, which is set later."""

    epoch: int
    train_loss: float
    val_loss: float
    val_balanced_accuracy: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"loss {self.train_loss:.4f}, on val {self.val_loss:.4f}, "
            f"balanced accuracy on val {self.val_balanced_accuracy:.4f}, {self.seconds:.0f} s"
        )


def averaging(decay: float) -> WeightAveraging:
    """Return Lightning's moving average of weights and batch statistics (Polyak).

    Lightning's own EMAWeightAveraging has no warm-up: its average hangs on the first weights for
    1 / (1 - decay) steps, and an epoch here has few. Lightning validates on the average.
    """

    @torch.no_grad()
    def update(average: list[Tensor], current: list[Tensor], updates: Tensor | int) -> None:
        done = int(updates) + 1
        new = 1.0 - min(decay, done / (done + 10))
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, new)
        else:
            for mine, theirs in zip(average, current, strict=True):
                mine.copy_(theirs)

    return WeightAveraging(multi_avg_fn=update)


class History(Callback):
    """The epochs so far; travels in the checkpoint."""

    def __init__(self, progress: Progress) -> None:
        self.epochs: list[Epoch] = []
        self._progress = progress
        self._started = 0.0

    def on_train_epoch_start(self, trainer: Trainer, _: LightningModule) -> None:
        """Start the clock."""
        del trainer
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, _: LightningModule) -> None:
        """Write down one epoch, and say it."""
        logged = trainer.callback_metrics
        epoch = Epoch(
            epoch=trainer.current_epoch + 1,
            train_loss=logged["train_loss"].item(),
            val_loss=logged["val_loss"].item(),
            val_balanced_accuracy=logged["val_balanced_accuracy"].item(),
            seconds=time.perf_counter() - self._started,
        )
        self.epochs.append(epoch)
        self._progress.say(f"epoch {epoch.epoch}/{trainer.max_epochs}: {epoch}")

    def state_dict(self) -> dict[str, Any]:
        """Return the history for the checkpoint."""
        return {"epochs": [asdict(epoch) for epoch in self.epochs]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the history of a checkpoint."""
        self.epochs = [Epoch(**epoch) for epoch in state_dict["epochs"]]
        self._progress.say(f"going on after epoch {self.epochs[-1].epoch}")


class Bar(Callback):
    """A progress bar of each epoch's batches, wherever progress goes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._batches: Iterator[int] = iter(())

    def on_train_epoch_start(self, trainer: Trainer, _: LightningModule) -> None:
        """Open the bar."""
        what = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        batches = range(int(trainer.num_training_batches))
        self._batches = iter(self._progress.track(batches, what))

    def on_train_batch_end(self, *_: object) -> None:
        """Move the bar on."""
        next(self._batches, None)

    def on_validation_epoch_start(self, *_: object) -> None:
        """Close the bar: an exhausted one takes itself off the screen."""
        next(self._batches, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's advice and notices off the screen; errors still rise."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
