"""Fitting a network with Lightning: weighted epochs, averaged weights, early stopping.

Checkpoints carry the recipe's digest; an interrupted fit goes on after its last whole epoch.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models import torchvision_compat
from models.backbone import Backbone, restore_statistics
from models.graph import channels_last
from models.training import draws
from models.training.classifier import Classifier
from models.training.draws import EVAL_BATCH, Change, Prepare, tensor
from models.training.progress import Progress
from models.training.recipe import Fit
from models.training.scores import Part
from models.training.watch import Bar, Epoch, History, averaging, quiet

assert torchvision_compat  # noqa: S101  # imported for its effect, before Lightning's torchvision
from lightning import Trainer  # noqa: E402
from lightning.pytorch.callbacks import (  # noqa: E402
    Callback,
    EarlyStopping,
    ModelCheckpoint,
    Timer,
)
from lightning.pytorch.utilities.exceptions import SIGTERMException  # noqa: E402

__all__ = ["Ended", "Epoch", "Fitted", "Plan", "fit", "logits", "tensor", "train"]

_STATISTICS: Final = 128
"""Images that the batch norms' statistics are taken from."""


class Ended(StrEnum):
    """Why a fit ended."""

    EPOCHS = "all epochs ran"
    PATIENCE = "validation got no better"
    TIME_LIMIT = "time limit"


@dataclass(frozen=True, slots=True)
class Course:
    """How a fit went."""

    history: list[Epoch]
    ended: Ended


@dataclass(slots=True)
class Fitted:
    """The best weights seen, and how the run went."""

    network: Backbone
    history: list[Epoch] = field(default_factory=list)
    ended: Ended = Ended.EPOCHS


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything one fit needs besides the network."""

    fit: Fit
    train: Part
    val: Part
    change: Change
    prepare: Prepare
    seed: int
    checkpoint: Path


def logits(
    network: nn.Module,
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
        for start in range(0, len(images), EVAL_BATCH):
            batch = prepare(tensor(images[start : start + EVAL_BATCH])).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=fast):
                raw, _ = network(draws.channels_last(batch))
            out.append(raw.float().cpu())
    return torch.cat(out).numpy()


class _Files:
    """The two checkpoints of a fit: after the last epoch, and after the best."""

    def __init__(self, checkpoint: Path) -> None:
        self.last = checkpoint.with_suffix(".ckpt")
        self.best = checkpoint.with_suffix(".best.ckpt")

    def callbacks(self) -> list[Callback]:
        """Return what writes them, the best first: the last one records it."""
        return [self._writer(self.best, "val_loss"), self._writer(self.last, None)]

    @staticmethod
    def _writer(file: Path, monitor: str | None) -> ModelCheckpoint:
        return ModelCheckpoint(
            dirpath=file.parent,
            filename=file.stem,
            monitor=monitor,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def restore(self, network: nn.Module, select: str) -> None:
        """Load the weights of the best or the last epoch, averaged where the recipe averages."""
        file = self.best if select == "best" else self.last
        state = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
        network.load_state_dict({k.removeprefix("network."): v for k, v in state.items()})

    def remove(self) -> None:
        """Remove both; the result is what remains."""
        self.last.unlink()
        self.best.unlink()


def _restore_statistics(network: nn.Module, plan: Plan) -> None:
    if not (isinstance(network, Backbone) and network.folded_norms):
        return
    draw = np.random.default_rng(plan.seed)
    chosen = draw.choice(len(plan.train.weights), _STATISTICS, p=plan.train.weights)
    random = torch.Generator().manual_seed(plan.seed)
    images = plan.change(tensor(plan.train.images[chosen]), random)
    restore_statistics(network, images.to(next(network.parameters()).device))


def _trainer(plan: Plan, device: torch.device, callbacks: list[Callback]) -> Trainer:
    how = plan.fit
    return Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        precision=how.precision,
        max_epochs=how.epochs,
        callbacks=[
            *callbacks,
            *([averaging(how.average)] if how.average else []),
            EarlyStopping("val_loss", patience=how.patience, check_on_train_epoch_end=True),
        ],
        default_root_dir=plan.checkpoint.parent,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _why(history: list[Epoch], how: Fit, timer: Timer) -> Ended:
    if len(history) == how.epochs:
        return Ended.EPOCHS
    left = timer.time_remaining()
    return Ended.PATIENCE if left is None or left > 0 else Ended.TIME_LIMIT


@contextmanager
def _failing_when_terminated() -> Iterator[None]:
    """Exit as a terminated process does: Lightning's own exit would read as success."""
    try:
        yield
    except SIGTERMException as exc:
        raise SystemExit(128 + signal.SIGTERM) from exc


def train(network: nn.Module, plan: Plan, progress: Progress) -> Course:
    """Fit ``network`` (see `Classifier`) in place, and leave the selected weights in it.

    Each epoch is checkpointed; an interrupted run goes on with the next epoch.
    """
    how = plan.fit
    device = next(network.parameters()).device
    channels_last(network)
    draw = draws.Draw(plan.train.weights, how, plan.seed)
    history, files = History(progress), _Files(plan.checkpoint)
    limit = how.time_limit_min
    timer = Timer(None if limit is None else timedelta(minutes=limit), interval="epoch")
    with quiet(), _failing_when_terminated():
        _trainer(plan, device, [Bar(progress), history, timer, *files.callbacks()]).fit(
            Classifier(network, how, plan.val, steps=len(draw), seed=plan.seed),
            draws.training(plan.train, plan.change, draw),
            draws.validation(plan.val.images, plan.prepare),
            ckpt_path=files.last if files.last.is_file() else None,
            weights_only=True,
        )
    ended = _why(history.epochs, how, timer)
    if ended is not Ended.EPOCHS:
        progress.say(f"ended after epoch {len(history.epochs)} of {how.epochs}: {ended}")
    files.restore(network, how.select)
    network.to(device)
    files.remove()
    return Course(history.epochs, ended)


def fit(network: Backbone, plan: Plan, progress: Progress) -> Fitted:
    """Fit ``network`` and return the averaged weights of the best epoch on validation."""
    _restore_statistics(network, plan)
    course = train(network, plan, progress)
    return Fitted(network, course.history, course.ended)
