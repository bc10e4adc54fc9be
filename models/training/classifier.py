"""The Lightning module: one step of training, one look at validation."""

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from models import torchvision_compat
from models.training.recipe import Fit
from models.training.scores import Part, calibrated_loss, weighted_balanced_accuracy

assert torchvision_compat  # noqa: S101  # imported for its effect, before Lightning's torchvision
from lightning import LightningModule  # noqa: E402
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig  # noqa: E402

_WARM_UP: Final = 0.1
"""Part of the cosine schedule in which the rate rises."""


def loss_of(raw: Tensor, allowed: Tensor, smoothing: float) -> Tensor:
    """Return each image's -log of the probability that its allowed outputs share.

    ``raw`` (n, labels) logits, ``allowed`` (n, labels) bool. With one output allowed this is
    cross-entropy with label smoothing (Szegedy et al. 2016, arXiv:1512.00567).
    """
    log_p = torch.log_softmax(raw.float(), dim=1)
    right = torch.logsumexp(log_p.masked_fill(~allowed, -torch.inf), dim=1)
    return -(1.0 - smoothing) * right - smoothing * log_p.mean(dim=1)


def cosine(step: int, steps: int) -> float:
    """Warm up linearly, then fall along a cosine."""
    done = (step + 1) / steps
    if done < _WARM_UP:
        return done / _WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


class Classifier(LightningModule):
    """A network with ``features``, ``head`` and (logits, maps) as output, being trained.

    Logs ``train_loss``, ``val_loss`` (at its best temperature, which is set later) and
    ``val_balanced_accuracy``.
    """

    def __init__(self, network: nn.Module, how: Fit, val: Part, *, steps: int, seed: int) -> None:
        super().__init__()
        self.network = network
        self._how = how
        self._val = val.without_images()
        self._steps = steps
        self._seed = seed
        self._raw: list[Tensor] = []
        for block in self._frozen:
            block.requires_grad_(requires_grad=False)

    @property
    def _frozen(self) -> list[nn.Module]:
        return list(self.network.get_submodule("features").children())[: self._how.frozen_blocks]

    def on_train_epoch_start(self) -> None:
        """Train all but the frozen blocks, whose batch statistics stay; seed dropout and mixup."""
        self.network.train()
        for block in self._frozen:
            block.eval()
        words = np.random.SeedSequence((self._seed, self.current_epoch)).generate_state(1)
        torch.manual_seed(int(words[0]))

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Return the mean loss of (images, allowed outputs)."""
        images, allowed = batch
        share, other = 1.0, None
        if self._how.mixup > 0:
            share = torch.distributions.Beta(self._how.mixup, self._how.mixup).sample().item()
            other = torch.randperm(len(images), device=images.device)
            images = images * share + images[other] * (1.0 - share)
        raw, _ = self.network(images)
        smoothing = self._how.label_smoothing
        loss = share * loss_of(raw, allowed, smoothing).mean()
        if other is not None:
            loss = loss + (1.0 - share) * loss_of(raw, allowed[other], smoothing).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(images))
        return loss

    def validation_step(self, images: Tensor, _index: int) -> None:
        """Keep the logits of one batch."""
        raw, _ = self.network(images)
        self._raw.append(raw.float().cpu())

    def on_validation_epoch_end(self) -> None:
        """Score all of validation at once, because the temperature is that of the whole."""
        raw = torch.cat(self._raw).numpy()
        self._raw.clear()
        self.log("val_loss", calibrated_loss(raw, self._val))
        self.log("val_balanced_accuracy", weighted_balanced_accuracy(raw, self._val))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the recipe's optimiser and its schedule, stepped with each batch."""
        total = self._steps * self._how.epochs
        curves = {
            "cosine": lambda step: cosine(step, total),
            "inverse_time": lambda step: 1.0 / (1.0 + self._how.decay * step),
        }
        optimiser = self._optimiser()
        schedule = LambdaLR(optimiser, curves[self._how.schedule])
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _optimiser(self) -> Optimizer:
        how = self._how
        trunk = self.network.get_submodule("features").parameters()
        groups = [
            {"params": [p for p in trunk if p.requires_grad], "lr": how.learning_rate},
            {
                "params": list(self.network.get_submodule("head").parameters()),
                "lr": how.head_learning_rate,
            },
        ]
        if how.optimiser == "sgd":
            return SGD(groups, momentum=how.momentum, weight_decay=how.weight_decay)
        if how.optimiser == "adam":
            return Adam(groups, weight_decay=how.weight_decay)
        return AdamW(groups, weight_decay=how.weight_decay)
