"""What a network sees in training and validation, batch by batch, and in which order."""

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from models.training.recipe import Fit
from models.training.scores import Part

Change = Callable[[Tensor, torch.Generator], Tensor]
Prepare = Callable[[Tensor], Tensor]
EVAL_BATCH: Final = 64
_WITH_CHANNELS: Final = 4


def tensor(images: NDArray[np.uint8]) -> Tensor:
    """Return (n, channels, edge, edge) float32, 0 to 1, of (n, [channels,] edge, edge) bytes."""
    planes = torch.from_numpy(images).float() / 255.0
    return planes if planes.ndim == _WITH_CHANNELS else planes.unsqueeze(1)


def channels_last(images: Tensor) -> Tensor:
    """Lay a batch out channels last, as the networks' weights lie."""
    return images.contiguous(memory_format=torch.channels_last)


class Batch:
    """Which images make up a batch, and the seed of its augmentation."""

    __slots__ = ("index", "seed")

    def __init__(self, index: NDArray[np.int64], seed: int) -> None:
        self.index = index
        self.seed = seed


class Draw(Sampler[Batch]):
    """The batches of an epoch, the same for the same seed and epoch.

    By the part's weights, with replacement; or, where the recipe sets no number of images, each
    image once.
    """

    def __init__(self, weights: NDArray[np.float64], how: Fit, seed: int) -> None:
        self._weights = weights
        self._how = how
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, from 0; Lightning calls this before each one."""
        self._epoch = epoch

    def __len__(self) -> int:
        images = self._how.images_per_epoch or len(self._weights)
        return math.ceil(images / self._how.batch)

    def __iter__(self) -> Iterator[Batch]:
        random = np.random.default_rng((self._seed, self._epoch + 1))
        size = self._how.batch
        if self._how.images_per_epoch is None:
            order = random.permutation(len(self._weights))
            batches = [order[at : at + size] for at in range(0, len(order), size)]
        else:
            batches = list(random.choice(len(self._weights), (len(self), size), p=self._weights))
        for index in batches:
            yield Batch(index, int(random.integers(2**62)))


class _Training(Dataset[tuple[Tensor, Tensor]]):
    """Changed images and their allowed outputs."""

    def __init__(self, part: Part, change: Change) -> None:
        self._part = part
        self._change = change

    def __getitem__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        random = torch.Generator().manual_seed(batch.seed)
        images = self._change(tensor(self._part.images[batch.index]), random)
        return channels_last(images), torch.from_numpy(self._part.allowed[batch.index])


class _Validation(Dataset[Tensor]):
    """Prepared images, EVAL_BATCH at a time."""

    def __init__(self, images: NDArray[np.uint8], prepare: Prepare) -> None:
        self._images = images
        self._prepare = prepare

    def __len__(self) -> int:
        return math.ceil(len(self._images) / EVAL_BATCH)

    def __getitem__(self, index: int) -> Tensor:
        start = index * EVAL_BATCH
        return channels_last(self._prepare(tensor(self._images[start : start + EVAL_BATCH])))


def training(part: Part, change: Change, draw: Draw) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return a loader of (images, allowed outputs).

    Its generator keeps it from the global one, whose numbers a resumed fit must find alike.
    """
    own = torch.Generator()
    return DataLoader(_Training(part, change), sampler=draw, batch_size=None, generator=own)


def validation(images: NDArray[np.uint8], prepare: Prepare) -> DataLoader[Tensor]:
    """Return a loader of images, in their order."""
    return DataLoader(_Validation(images, prepare), batch_size=None)
