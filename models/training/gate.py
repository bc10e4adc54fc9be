"""Training and evaluation of the film gate: everything random is seeded, nothing is a patient's
film of the DICOM test set."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from models import backbone, card, imaging, weights
from models.card import Figure
from models.gate.cxr import network_input
from models.gate.features import GateNetwork, Look
from models.graph import channels_last, softmax
from models.imaging import Float
from models.training import job as jobs
from models.training import manifest, metrics, negatives, phantoms, volumes
from models.training.cache import read_grey
from models.training.job import Job, Outcome
from models.training.manifest import Item

_BATCH: Final = 32
_HALVED: Final = ("features", "components")
"""Tensors that are shipped at half precision; the pretrained weights were 8 bit once."""
_SIDE_VOLUMES: Final = {
    "train": ("P001", "P002", "normal001", "normal002", "cap002"),
    "val": ("P002", "normal002"),
    "test": ("cap001",),
}
_SHARE: Final = {"train": 1.0, "val": 0.3, "test": 0.3}
"""How many made negatives each split gets, relative to training."""


@dataclass(frozen=True, slots=True)
class Example:
    """One image with what it is."""

    pixels: Float
    look: Look
    kind: str
    group: str = ""


def _source(item: Item) -> str:
    return f"{item.set}/{item.source}"


def _mixed(items: Sequence[Item], count: int, random: np.random.Generator) -> list[Item]:
    """Return up to ``count`` films, every source with the same share while it lasts."""
    by_source: dict[str, list[Item]] = {}
    for item in items:
        by_source.setdefault(_source(item), []).append(item)
    for pool in by_source.values():
        random.shuffle(pool)
    chosen: list[Item] = []
    while len(chosen) < count and any(by_source.values()):
        for pool in by_source.values():
            if pool and len(chosen) < count:
                chosen.append(pool.pop())
    return chosen


def posed(film: Float, random: np.random.Generator) -> Float:
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


def _of_films(films: Sequence[Item], split: str, random: np.random.Generator) -> Iterator[Example]:
    for index, item in enumerate(films):
        whole = read_grey(item.file)
        film = posed(whole, random) if split == "train" else whole
        group = item.group
        yield Example(film, Look.FRONTAL, "frontal film", group)
        if index % 2 == 0:
            yield Example(1.0 - film, Look.INVERTED, "inverted film", group)
        if index % 2 == 1:
            turns = 1 + (index // 2) % 3
            yield Example(negatives.turned(film, turns), Look.TURNED, "turned film", group)
        if index % 3 == 0:
            yield Example(negatives.heavy_crop(whole, random), Look.OTHER, "piece of a film", group)
        if index % 12 == 5:  # noqa: PLR2004
            both = 1.0 - negatives.turned(film, 1 + index % 3)
            yield Example(both, Look.OTHER, "turned and inverted film", group)


def _of_phantoms(job: Job, split: str, random: np.random.Generator) -> Iterator[Example]:
    count = job.recipe.gating.phantom_seeds
    kinds = {"frontal": Look.FRONTAL, "lateral": Look.LATERAL, "knee": Look.OTHER}
    repeats = {"train": 4, "val": 1, "test": 1}[split]
    for view, look in kinds.items():
        films = phantoms.rendered(view, count, job.cache, job.progress)
        cut = max(1, count // 6)
        mine = {"train": films[2 * cut :], "val": films[:cut], "test": films[cut : 2 * cut]}[split]
        for film in mine:
            for _ in range(repeats):
                yield Example(posed(film, random), look, f"phantom {view}")


def _of_volumes(job: Job, split: str, random: np.random.Generator) -> Iterator[Example]:
    repeats = {"train": 50, "val": 20, "test": 40}[split]
    for name in _SIDE_VOLUMES[split]:
        sample = volumes.read(job.data, name).sample
        for _ in range(repeats):
            film = negatives.side_projection(sample, random)
            yield Example(film, Look.LATERAL, "lateral projection of a CT", name)


def _of_slices(job: Job, split: str, random: np.random.Generator) -> Iterator[Example]:
    for item in manifest.slices(job.data):
        if item.official == split:
            turns = int(random.integers(4)) if negatives.chance(random, 0.2) else 0
            film = negatives.turned(read_grey(item.file), turns)
            yield Example(film, Look.OTHER, "CT slice", item.group)


def examples(job: Job, split: str) -> Iterator[Example]:
    """Yield the labelled images of one split."""
    random = np.random.default_rng((job.recipe.seed, len(split)))
    films = [item for item in manifest.films(job.data) if item.split == split]
    share = _SHARE[split]
    if split == "test":
        chosen = [item for item in films if item.set == "core"]
    else:
        chosen = _mixed(films, round(job.recipe.gating.films * share), random)
    yield from _of_films(chosen, split, random)
    yield from _of_phantoms(job, split, random)
    yield from _of_volumes(job, split, random)
    yield from _of_slices(job, split, random)
    for film in negatives.made(round(600 * share), random):
        yield Example(film, Look.OTHER, "made image")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Grid features (n, 5120) with looks, kinds and patients."""

    raw: NDArray[np.float32]
    look: NDArray[np.int64]
    kind: NDArray[np.str_]
    group: NDArray[np.str_]


def _batches(found: Iterable[Example]) -> Iterator[list[Example]]:
    batch: list[Example] = []
    for example in found:
        batch.append(example)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def see(job: Job, network: GateNetwork, split: str) -> Seen:
    """Return features of one split, from the cache where they lie there."""
    file = job.cache / f"gate-{split}.npz"
    if file.is_file():
        stored = np.load(file)
        return Seen(stored["raw"], stored["look"], stored["kind"], stored["group"])
    raw, looks, kinds, groups = [], [], [], []
    job.progress.say(f"computing features of the {split} split")
    for batch in _batches(examples(job, split)):
        inputs = np.stack([network_input(example.pixels) for example in batch])
        with torch.inference_mode():
            images = torch.from_numpy(inputs).unsqueeze(1)
            raw.append(network.raw(images.contiguous(memory_format=torch.channels_last)).numpy())
        looks += [int(example.look) for example in batch]
        kinds += [example.kind for example in batch]
        groups += [example.group for example in batch]
    seen = Seen(np.concatenate(raw), np.array(looks), np.array(kinds), np.array(groups))
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, raw=seen.raw, look=seen.look, kind=seen.kind, group=seen.group)
    return seen


def fit(job: Job, network: GateNetwork, train: Seen) -> None:
    """Fill components, head, centre and precision of ``network`` from training features."""
    how = job.recipe.gating
    basis = PCA(how.rank, whiten=True, random_state=job.recipe.seed).fit(train.raw)
    scaled = basis.components_ / np.sqrt(basis.explained_variance_)[:, np.newaxis]
    reduced = (train.raw - basis.mean_) @ scaled.T
    head = LogisticRegression(C=how.strength, class_weight="balanced", max_iter=2000)
    head.fit(reduced, train.look)
    films = reduced[train.look == Look.FRONTAL]
    spread = LedoitWolf().fit(films)
    network.mean.copy_(torch.from_numpy(basis.mean_))
    network.components.copy_(torch.from_numpy(scaled))
    network.head.weight.data.copy_(torch.from_numpy(head.coef_))
    network.head.bias.data.copy_(torch.from_numpy(head.intercept_))
    network.centre.copy_(torch.from_numpy(spread.location_))
    network.precision.copy_(torch.from_numpy(spread.precision_))


def judge(network: GateNetwork, seen: Seen) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return class probabilities and distances of features."""
    with torch.inference_mode():
        reduced = (torch.from_numpy(seen.raw) - network.mean) @ network.components.T
        off = reduced - network.centre
        distance = ((off @ network.precision) * off).sum(dim=1) / len(network.centre)
        return softmax(network.head(reduced).numpy(), 1.0), distance.numpy()


def thresholds(job: Job, network: GateNetwork, val: Seen) -> dict[str, float]:
    """Choose both thresholds so that each refuses at most its share of frontal val films."""
    p, distance = judge(network, val)
    films = (val.look == Look.FRONTAL) & (val.kind == "frontal film")
    share = job.recipe.gating.most_refused
    return {
        "least_frontal": float(np.clip(np.quantile(p[films, Look.FRONTAL], share), 0.05, 0.5)),
        "most_distance": float(np.quantile(distance[films], 1.0 - share) * 1.1),
    }


def figures(network: GateNetwork, test: Seen, limits: dict[str, float]) -> tuple[Figure, ...]:
    """Return how often each kind of image passes the gate, inversion left aside."""
    p, distance = judge(network, test)
    passes = (
        (p.argmax(axis=1) == Look.FRONTAL)
        & (p[:, Look.FRONTAL] >= limits["least_frontal"])
        & (distance <= limits["most_distance"])
    )
    found = []
    for kind in dict.fromkeys(test.kind.tolist()):
        mine = test.kind == kind
        wanted = test.look[mine][0] == Look.FRONTAL
        found.append(
            metrics.figure(
                f"{'passed' if wanted else 'refused'}: {kind}",
                "core test" if "film" in kind else "held-out images",
                metrics.rate(passes[mine] if wanted else ~passes[mine]),
                test.group[mine] if test.group[mine].all() else np.arange(mine.sum()).astype(str),
            )
        )
    return tuple(found)


def run(job: Job) -> Path:
    """Train, choose thresholds on val, measure on test; return the folder of the finished gate."""
    network = GateNetwork(job.recipe.gating.rank).eval()
    pretrained = backbone.pretrained(job.backbone, 1, 0.0)
    network.features.load_state_dict(pretrained.features.state_dict())
    channels_last(network)
    train, val, test = (see(job, network, split) for split in ("train", "val", "test"))
    fit(job, network, train)
    limits = thresholds(job, network, val)
    outcome = Outcome(labels=(), operating=limits, figures=figures(network, test, limits))
    tensors = {
        name: tensor.half() if name.startswith(_HALVED) else tensor
        for name, tensor in network.state_dict().items()
    }
    return jobs.save(job, tensors, outcome)


def evaluate(job: Job, folder: Path) -> tuple[Figure, ...]:
    """Measure a finished gate anew."""
    known = card.load(folder)
    network = GateNetwork(job.recipe.gating.rank).eval()
    weights.fill(network, weights.read(folder, known.weights), known.weights.file)
    channels_last(network)
    return figures(network, see(job, network, "test"), known.operating)
