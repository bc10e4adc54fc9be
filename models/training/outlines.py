"""Training and evaluation of the lung finder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from dicom_node.domain import Box
from models import backbone, card, imaging, torchvision_compat, weights
from models.card import Figure
from models.cxr_lungs import fields
from models.cxr_lungs.network import EDGE, LungNetwork
from models.graph import channels_last
from models.imaging import Float
from models.training import augment, cache, draws, lung_masks, manifest, metrics
from models.training import job as jobs
from models.training.job import Job, Outcome
from models.training.lung_masks import Mask
from models.training.manifest import Item
from models.training.outliner import Outliner
from models.training.watch import Bar, averaging, quiet

assert torchvision_compat  # noqa: S101  # imported for its effect, before Lightning's torchvision
from lightning import Trainer  # noqa: E402

_HALF: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Outlined:
    """Trimmed films with their outlines: views (n, 2, 240, 240) uint8."""

    items: Sequence[Item]
    views: NDArray[np.uint8]

    def split(self, *names: str) -> "Outlined":
        """Return the films of these splits."""
        mine = [index for index, item in enumerate(self.items) if item.split in names]
        return Outlined([self.items[index] for index in mine], self.views[mine])


def _view(film: Float, mask: Mask) -> NDArray[np.uint8]:
    canonical = imaging.canonical(film)
    rows, columns = film.shape
    edge = imaging.CANONICAL_EDGE
    fitted = imaging.resize(mask.astype(np.float32), rows, columns)
    return np.round(
        np.stack([canonical.pixels, fields.resized(fitted, canonical.box, edge, edge)]) * 255.0
    ).astype(np.uint8)


def gather(job: Job) -> Outlined:
    """Return every outlined film."""
    films = manifest.films(job.data)
    masks = lung_masks.outlined(films, lung_masks.archive())
    mine = [item for item in films if item.id in masks]
    views = [
        _view(cache.read_grey(item.file), masks[item.id])
        for item in job.progress.track(mine, "preparing outlined films")
    ]
    return Outlined(mine, np.stack(views))


class _Changed(Dataset[tuple[Tensor, Tensor]]):
    """Random changes of the outlined films, one batch an index list."""

    def __init__(self, views: NDArray[np.uint8], job: Job) -> None:
        self._views = views
        self._how = job.recipe.augmentation
        self._random = torch.Generator().manual_seed(job.recipe.seed)

    def __len__(self) -> int:
        return len(self._views)

    def __getitems__(self, index: list[int]) -> tuple[Tensor, Tensor]:
        views = draws.tensor(self._views[index])
        films, masks = augment.outlines(views, EDGE, self._how, self._random)
        return draws.channels_last(films), masks


def fit(job: Job, network: LungNetwork, train: Outlined) -> None:
    """Train ``network`` in place and leave the averaged weights in it."""
    how = job.recipe.fitting
    images = how.images_per_epoch or len(train.items)
    changed = _Changed(train.views, job)
    sampler = RandomSampler(
        changed,
        replacement=True,
        num_samples=images,
        generator=torch.Generator().manual_seed(job.recipe.seed),
    )
    loader = DataLoader(changed, how.batch, sampler=sampler, collate_fn=lambda batch: batch)
    module = Outliner(channels_last(network), how, steps=len(loader) * how.epochs)
    with quiet():
        Trainer(
            accelerator="gpu" if job.device == "cuda" else "cpu",
            devices=1,
            precision=how.precision,
            max_epochs=how.epochs,
            callbacks=[Bar(job.progress), averaging(how.average)],
            default_root_dir=job.output,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(module, loader)
    network.cpu()


def _centre(views: NDArray[np.uint8]) -> Tensor:
    return torch.nn.functional.interpolate(
        draws.tensor(views), size=(EDGE, EDGE), mode="bilinear", antialias=True
    )


def overlap(network: LungNetwork, films: Outlined) -> NDArray[np.float64]:
    """Return the Dice coefficient of each film, the closed outline against the drawn one."""
    network.eval()
    edge = imaging.CANONICAL_EDGE
    whole = Box(0, 0, edge, edge)
    scores = []
    for view in films.views:
        with torch.inference_mode():
            logits = network(_centre(view[np.newaxis])[:, :1])
        found = fields.fields(torch.sigmoid(logits)[0, 0].numpy(), whole)
        said = found.within(whole, edge, edge) > _HALF
        drawn = view[1] > 127  # noqa: PLR2004
        scores.append(2.0 * (said & drawn).sum() / max(1, said.sum() + drawn.sum()))
    return np.array(scores)


def measure(job: Job, network: LungNetwork) -> tuple[Figure, ...]:
    """Return how well the outlines of the test films are met."""
    test = gather(job).split("test")
    dice = overlap(network, test)
    groups = np.array([item.group for item in test.items])
    on = "core test, COVID-19 films of adults with outlines drawn by hand"
    return (
        metrics.figure(
            "Dice coefficient, mean", on, lambda chosen: float(dice[chosen].mean()), groups
        ),
        Figure(
            name="Dice coefficient, lowest", on=on, value=round(float(dice.min()), 4), n=len(dice)
        ),
    )


def run(job: Job) -> Path:
    """Train on train and val, measure on test; return the folder of the finished model."""
    jobs.seed(job)
    network = LungNetwork(backbone.pretrained_lite(1, 0.0).features)
    fit(job, network, gather(job).split("train", "val"))
    halved = {name: jobs.halved(tensor) for name, tensor in network.state_dict().items()}
    weights.fill(network, halved, jobs.WEIGHTS_FILE)
    return jobs.save(job, halved, Outcome((), {}, measure(job, network)))


def evaluate(job: Job, folder: Path) -> tuple[Figure, ...]:
    """Measure a finished lung finder anew."""
    known = card.load(folder)
    network = LungNetwork()
    weights.fill(network, weights.read(folder, known.weights), known.weights.file)
    return measure(job, network)
