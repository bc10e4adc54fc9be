"""The slices that the CT model is trained and tested on: published figures and real volumes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from models import lungs
from models.ct_lite import preprocess, series
from models.ct_lite.network import MEMBERS
from models.training import cache, figures, manifest, volumes
from models.training.job import Job
from models.training.manifest import Item

CLASSES: Final = ("non_covid", "covid19")
COVID: Final = 1
TRAINING_VOLUMES: Final = ("P002", "cap002", "normal002")
"""Series that no archive can hold, so that the three sound ones stay for the test."""
SOUND_VOLUMES: Final = ("P001", "cap001", "normal001")
_DEVELOPMENT: Final = frozenset({"train", "val"})


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """Prepared slices (n, 216, 216) with what is known of each."""

    items: Sequence[Item]
    images: NDArray[np.uint8]

    @property
    def truth(self) -> NDArray[np.int64]:
        """Return class indices."""
        return np.array([CLASSES.index(item.label) for item in self.items], dtype=np.int64)

    @property
    def groups(self) -> NDArray[np.str_]:
        """Return the paper, or the patient, of each slice."""
        return np.array([item.group for item in self.items])

    def where(self, keep: NDArray[np.bool_]) -> "Slices":
        """Return the slices for which ``keep`` holds."""
        kept = [item for item, wanted in zip(self.items, keep, strict=True) if wanted]
        return Slices(kept, self.images[keep])

    def of(self, split: str) -> "Slices":
        """Return the slices of one split."""
        return self.where(np.array([item.split == split for item in self.items]))


def _volume(data: Path, name: str) -> Slices:
    """Return the lung slices of a training volume; those of COVID-19 are the ones marked infected.

    The others of the same patient are not: what tells them apart is no source.
    """
    volume = volumes.read(data, name)
    found = lungs.find(volume.sample)
    items, images = [], []
    for index in found.slices(series.LEAST_SHARE).tolist():
        plane = volume.sample.pixels[index]
        outline = preprocess.outline(plane, found, index)
        view = preprocess.view(preprocess.windowed(plane), outline)
        images.append(np.round(view.pixels * 255.0).astype(np.uint8))
        items.append(
            Item(
                id=f"{name}-{index}",
                file=data / "ct" / "volumes" / name,
                label=CLASSES[int(volume.label == CLASSES[COVID] and volume.infected[index])],
                split="train",
                set="volumes",
                source="COVID-CT-MD",
                adult=True,
                view="axial",
                group=name,
                official="",
            )
        )
    return Slices(items, np.stack(images))


def gather(job: Job) -> Slices:
    """Return figures (split as published) and training volumes, prepared."""
    found = [replace(item, split=item.official) for item in manifest.slices(job.data)]
    images = cache.prepared(
        found, figures.prepare, preprocess.PREPARED_EDGE, job.cache / "ct.npy", job.progress
    )
    parts = [Slices(found, images), *(_volume(job.data, name) for name in TRAINING_VOLUMES)]
    return Slices(
        [item for part in parts for item in part.items],
        np.concatenate([part.images for part in parts]),
    )


def folds(slices: Slices, seed: int) -> tuple[Slices, ...]:
    """Return one division for each network: a part of the papers is ``val``, the rest ``train``.

    Papers of the official train and val splits are dealt out, each to one fold's val. Volumes are
    in every train; the test split is in none.
    """
    known = slices.where(np.array([item.split in _DEVELOPMENT for item in slices.items]))
    dealt = np.array([item.set == "slices" for item in known.items])
    papers = known.where(dealt)
    deal = StratifiedGroupKFold(MEMBERS, shuffle=True, random_state=seed)
    divided = []
    for _, left in deal.split(papers.truth, papers.truth, papers.groups):
        val = {papers.items[index].id for index in left}
        items = [replace(i, split="val" if i.id in val else "train") for i in known.items]
        divided.append(Slices(items, known.images))
    return tuple(divided)
