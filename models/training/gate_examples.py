"""The labelled images that the film gate is fitted on and calibrated with.

Everything random is seeded; nothing is a film of the DICOM test set.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from scipy import ndimage

from models import imaging
from models.gate.features import Look
from models.imaging import Float
from models.training import alterations, bodyparts, manifest, negatives, phantoms, volumes
from models.training.cache import read_grey
from models.training.job import Job
from models.training.manifest import Item
from models.training.negatives import Random

FILM: Final = "frontal film"
SIDE_VOLUMES: Final = {
    "train": ("P001", "P002", "normal002", "cap002"),
    "val": ("P002", "normal002"),
    "test": ("cap001", "normal001"),
}
"""Which CT volumes are projected for which split; val chooses nothing by them."""
_REPEATS: Final = {"train": 36, "val": 12, "test": 12}
_SHARE: Final = {"train": 1.0, "val": 0.3}
"""How many made negatives each split gets, relative to training."""
_BODY_SEED: Final = {"train": 10_000, "val": 50_000}


@dataclass(frozen=True, slots=True)
class Example:
    """One image with what it is, and the film's source where it comes from one."""

    pixels: Float
    look: Look
    kind: str
    source: str = ""


def source(item: Item) -> str:
    """Return the hospitals that a film comes from, as far as the manifest tells them apart."""
    for name in ("Kermany", "NIH", "ieee8023"):
        if name in item.source:
            return name
    return f"{item.source}, {item.label}"


def mixed(items: Sequence[Item], count: int, random: Random) -> list[Item]:
    """Return up to ``count`` films, every source with the same share while it lasts."""
    by_source: dict[str, list[Item]] = {}
    for item in items:
        by_source.setdefault(f"{item.set} {source(item)}", []).append(item)
    for pool in by_source.values():
        random.shuffle(pool)
    chosen: list[Item] = []
    while len(chosen) < count and any(by_source.values()):
        for pool in by_source.values():
            if pool and len(chosen) < count:
                chosen.append(pool.pop())
    return chosen


def posed(film: Float, random: Random) -> Float:
    """Return a film tilted a little, cut a little, and with another grey curve."""
    if negatives.chance(random, 0.5):
        film = ndimage.rotate(film, random.uniform(-8, 8), reshape=False, order=1)
    rows, columns = film.shape
    cuts = random.uniform(0, 0.08, 4)
    film = film[
        int(cuts[0] * rows) : rows - int(cuts[1] * rows),
        int(cuts[2] * columns) : columns - int(cuts[3] * columns),
    ]
    if negatives.chance(random, 0.3):
        edge = int(random.integers(96, 224))
        film = imaging.resize(film, edge, edge)
    return np.clip(film, 0.0, 1.0) ** np.float32(np.exp(random.uniform(-0.4, 0.4)))


def half(film: Float, random: Random) -> Float:
    """Return about a half of a film, cut off on any side."""
    share = float(random.uniform(0.35, 0.55))
    side = int(random.integers(4))
    if side == 0:
        return alterations.part(film, 0.0, min(share, 0.5), 0.0, 1.0)
    if side == 1:
        return alterations.part(film, 1.0 - share, 1.0, 0.0, 1.0)
    if side == 2:  # noqa: PLR2004
        return alterations.part(film, 0.0, 1.0, 0.0, share)
    return alterations.part(film, 0.0, 1.0, 1.0 - share, 1.0)


def window(film: Float, random: Random) -> Float:
    """Return a window of a film, a quarter to a half of each edge: one lung, the heart, a belly."""
    height, width = random.uniform(0.25, 0.55, 2)
    top, left = random.uniform(0, 1 - height), random.uniform(0, 1 - width)
    return alterations.part(film, top, top + height, left, left + width)


def several(film: Float, random: Random) -> Float:
    """Return two films in one image, or one cut up and shuffled."""
    kind = int(random.integers(4))
    if kind < 2:  # noqa: PLR2004
        return alterations.paired(film, kind)
    return alterations.jigsaw(film, random, int(random.choice([2, 2, 3, 4])))


def _upset(film: Float, random: Random) -> Float:
    return 1.0 - negatives.turned(film, int(random.integers(1, 4)))


_SPOILT: Final[Sequence[tuple[str, Callable[[Float, Random], Float]]]] = (
    ("half of a film", half),
    ("window of a film", window),
    ("several films or pieces", several),
    ("piece of a film", negatives.heavy_crop),
    ("half of a film", half),
    ("turned and inverted film", _upset),
)


def _of_films(films: Sequence[Item], split: str, random: Random) -> Iterator[Example]:
    for index, item in enumerate(films):
        whole = read_grey(item.file)
        film = posed(whole, random) if split == "train" else whole
        made = partial(Example, source=source(item))
        yield made(film, Look.FRONTAL, FILM)
        if index % 2 == 0:
            yield made(1.0 - film, Look.INVERTED, "inverted film")
        else:
            turned = negatives.turned(film, 1 + (index // 2) % 3)
            yield made(turned, Look.TURNED, "turned film")
        kind, spoil = _SPOILT[index % len(_SPOILT)]
        yield made(spoil(whole, random), Look.OTHER, kind)


def _of_phantoms(job: Job, split: str, random: Random) -> Iterator[Example]:
    count = job.recipe.gating.phantom_seeds
    kinds = {"frontal": Look.FRONTAL, "lateral": Look.LATERAL, "knee": Look.OTHER}
    cut = max(1, count // 6)
    for view, look in kinds.items():
        films = phantoms.rendered(view, count, job.cache, job.progress)
        for film in films[2 * cut :] if split == "train" else films[:cut]:
            for _ in range(4 if split == "train" else 1):
                yield Example(posed(film, random), look, f"phantom {view}")


def _of_volumes(job: Job, split: str, random: Random) -> Iterator[Example]:
    for name in SIDE_VOLUMES[split]:
        sample = volumes.read(job.data, name).sample
        for index in range(_REPEATS[split]):
            film = negatives.side_projection(sample, random)
            yield Example(film, Look.LATERAL, "lateral projection of a CT")
            if index % 3 == 0:
                film = negatives.projection(sample, float(random.uniform(-8, 8)), random)
                yield Example(film, Look.OTHER, "frontal projection of a CT")
            if index % 3 == 1:
                angle = float(random.uniform(25, 65) * random.choice([-1, 1]))
                film = negatives.projection(sample, angle, random)
                yield Example(film, Look.LATERAL, "oblique projection of a CT")


def _of_slices(job: Job, split: str, random: Random) -> Iterator[Example]:
    for item in manifest.slices(job.data):
        if item.official == split:
            turns = int(random.integers(4)) if negatives.chance(random, 0.2) else 0
            film = negatives.turned(read_grey(item.file), turns)
            yield Example(film, Look.OTHER, "CT slice")


def _of_bodies(count: int, split: str, random: Random) -> Iterator[Example]:
    for name in bodyparts.PARTS:
        for seed in range(_BODY_SEED[split], _BODY_SEED[split] + count):
            film = posed(bodyparts.rendered(name, seed), random)
            yield Example(film, Look.OTHER, f"drawn {name}")


def examples(job: Job, split: str) -> Iterator[Example]:
    """Yield the labelled images of train or val."""
    random = np.random.default_rng((job.recipe.seed, len(split)))
    without = job.recipe.exclude_sources
    films = [
        item
        for item in manifest.films(job.data)
        if item.split == split and not any(w == item.set or w in source(item) for w in without)
    ]
    share = _SHARE[split]
    chosen = mixed(films, round(job.recipe.gating.films * share), random)
    yield from _of_films(chosen, split, random)
    yield from _of_phantoms(job, split, random)
    yield from _of_volumes(job, split, random)
    yield from _of_slices(job, split, random)
    yield from _of_bodies(round(30 * share), split, random)
    for film in negatives.made(round(600 * share), random):
        yield Example(film, Look.OTHER, "made image")
