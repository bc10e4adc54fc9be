"""The Lightning module that learns to outline lungs."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from models import torchvision_compat
from models.training.classifier import cosine
from models.training.recipe import Fit

assert torchvision_compat  # noqa: S101  # imported for its effect, before Lightning's torchvision
from lightning import LightningModule  # noqa: E402
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig  # noqa: E402


def loss_of(logits: Tensor, mask: Tensor) -> Tensor:
    """Return binary cross-entropy plus soft Dice loss (Milletari et al. 2016, arXiv:1606.04797).

    ``logits`` (n, 1, h, w); ``mask`` (n, 1, H, W), 0 to 1, is averaged down to it.
    """
    wanted = functional.interpolate(mask, size=logits.shape[-2:], mode="area")
    p = torch.sigmoid(logits)
    common, both = (p * wanted).sum(dim=(2, 3)), (p + wanted).sum(dim=(2, 3))
    dice = (2.0 * common + 1.0) / (both + 1.0)
    return functional.binary_cross_entropy_with_logits(logits, wanted) + 1.0 - dice.mean()


class Outliner(LightningModule):
    """A network with ``features`` that turns films into logits of lung, being trained."""

    def __init__(self, network: nn.Module, how: Fit, *, steps: int) -> None:
        super().__init__()
        self.network = network
        self._how = how
        self._steps = steps

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Return the loss of (films, masks)."""
        films, masks = batch
        loss = loss_of(self.network(films).float(), masks)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(films))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _index: int) -> None:
        """Log the loss of (films, masks)."""
        films, masks = batch
        self.log("val_loss", loss_of(self.network(films).float(), masks), batch_size=len(films))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW with a gentler rate for the pretrained layers, warmed up, then cosine."""
        how = self._how
        trunk = list(self.network.get_submodule("features").parameters())
        known = {id(parameter) for parameter in trunk}
        fresh = [p for p in self.network.parameters() if id(p) not in known]
        optimiser = AdamW(
            [
                {"params": trunk, "lr": how.learning_rate},
                {"params": fresh, "lr": how.head_learning_rate},
            ],
            weight_decay=how.weight_decay,
        )
        schedule = LambdaLR(optimiser, lambda step: cosine(step, self._steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
