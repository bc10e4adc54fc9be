"""Head, distance and limits of the film gate, fitted to features that never change.

A refit takes seconds, so it is done once more without each source in turn: what the gate makes
of films of a hospital that it was not fitted to is measured, and its limits allow for that.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from models import imaging
from models.gate import features
from models.gate.cxr import Impression, Limits, impressions
from models.gate.features import GateNetwork, Look
from models.imaging import Float
from models.training import alterations, bodyparts, gate_examples, negatives, phantoms
from models.training.gate_examples import FILM, Example
from models.training.job import Job
from models.training.recipe import Gate

_BATCH: Final = 32
_MADE_BY: Final = (
    imaging, features, alterations, bodyparts, gate_examples, negatives, phantoms,
)  # fmt: skip
_LEAST_FRONTAL: Final = (0.05, 0.5)
"""The limit on the probability stays between these."""
_SPARE: Final = 1.1
"""The distance that nearly all films of unknown sources keep, times this, still passes."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Grid features (n, RAW) at half precision, with looks, kinds and sources."""

    raw: NDArray[np.float16]
    look: NDArray[np.int64]
    kind: NDArray[np.str_]
    source: NDArray[np.str_]

    @property
    def films(self) -> NDArray[np.bool_]:
        """Return which are whole, upright films."""
        return np.asarray(self.kind == FILM)

    def of(self, chosen: NDArray[np.bool_]) -> "Seen":
        """Return a part."""
        return Seen(self.raw[chosen], self.look[chosen], self.kind[chosen], self.source[chosen])

    def without(self, source: str) -> "Seen":
        """Return what does not come from one source, neither whole nor altered."""
        return self.of(self.source != source)


def fingerprint(modules: Iterable[ModuleType]) -> str:
    """Return a short hash of the code that makes images: other code, another cache."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


@torch.inference_mode()
def raw_features(network: GateNetwork, inputs: Iterable[Float]) -> NDArray[np.float16]:
    """Return grid features (n, RAW) of network inputs (224, 224)."""
    found = []
    waiting = iter(inputs)
    while batch := list(islice(waiting, _BATCH)):
        images = torch.from_numpy(np.stack(batch)).unsqueeze(1)
        raw = network.raw(images.contiguous(memory_format=torch.channels_last))
        found.append(raw.numpy().astype(np.float16))
    return np.concatenate(found)


def see(job: Job, network: GateNetwork, split: str) -> Seen:
    """Return features of one split, from the cache where they lie there."""
    name = f"gate-{split}-{job.recipe.digest}-{fingerprint(_MADE_BY)}.npz"
    file = job.cache / name
    if file.is_file():
        stored = np.load(file)
        return Seen(stored["raw"], stored["look"], stored["kind"], stored["source"])
    job.progress.say(f"computing features of the {split} split")
    met: list[Example] = []

    def inputs() -> Iterator[Float]:
        for example in gate_examples.examples(job, split):
            met.append(replace(example, pixels=np.empty((0, 0), np.float32)))
            yield prepared(example.pixels)

    raw = raw_features(network, inputs())
    seen = Seen(
        raw=raw,
        look=np.array([int(example.look) for example in met]),
        kind=np.array([example.kind for example in met]),
        source=np.array([example.source for example in met]),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, raw=seen.raw, look=seen.look, kind=seen.kind, source=seen.source)
    return seen


def prepared(pixels: Float) -> Float:
    """Return what the network gets of an image, its greys as they are."""
    whole = np.ascontiguousarray(pixels, dtype=np.float32)
    return imaging.resize(imaging.canonical(whole).pixels, imaging.EDGE, imaging.EDGE)


def fit(network: GateNetwork, how: Gate, train: Seen, seed: int) -> None:
    """Fill components, head, centre and precision of ``network`` from training features."""
    raw = train.raw.astype(np.float32)
    basis = PCA(how.rank, whiten=True, random_state=seed, svd_solver="randomized").fit(raw)
    scaled = basis.components_ / np.sqrt(basis.explained_variance_)[:, np.newaxis]
    reduced = (raw - basis.mean_) @ scaled.T
    head = LogisticRegression(C=how.strength, class_weight="balanced", max_iter=2000)
    head.fit(reduced, train.look)
    spread = LedoitWolf().fit(reduced[train.look == Look.FRONTAL])
    network.mean.copy_(torch.from_numpy(basis.mean_))
    network.components.copy_(torch.from_numpy(scaled))
    network.head.weight.data.copy_(torch.from_numpy(head.coef_))
    network.head.bias.data.copy_(torch.from_numpy(head.intercept_))
    network.centre.copy_(torch.from_numpy(spread.location_))
    network.precision.copy_(torch.from_numpy(spread.precision_))


@torch.inference_mode()
def judge(network: GateNetwork, raw: NDArray[np.float16]) -> list[Impression]:
    """Return the impression of each row of features."""
    logits, distance = network.judge(torch.from_numpy(raw.astype(np.float32)))
    return list(impressions(logits.numpy(), distance.numpy()))


def strangers_of(job: Job, train: Seen) -> dict[str, GateNetwork]:
    """Return, for each source of films, a gate that was fitted without it."""
    found = {}
    for source in sorted(set(train.source[train.films])):
        job.progress.say(f"fitting without {source}")
        network = GateNetwork(job.recipe.gating.rank).eval()
        fit(network, job.recipe.gating, train.without(source), job.recipe.seed)
        found[source] = network
    return found


def limits(how: Gate, strangers: Mapping[str, GateNetwork], films: Iterable[Seen]) -> Limits:
    """Choose both limits so that each refuses at most its share of any one source's films.

    They are judged by the gate that was fitted without that source: films of another hospital
    lie farther out than those of the fit, and must pass as well. The distance gets some room.
    """
    known = list(films)
    least, most = [], []
    for source, network in strangers.items():
        mine = [seen.raw[seen.films & (seen.source == source)] for seen in known]
        met = judge(network, np.concatenate(mine))
        least.append(np.quantile([one.frontal for one in met], how.most_refused))
        most.append(np.quantile([one.distance for one in met], 1.0 - how.most_refused))
    return Limits(
        least_frontal=float(np.clip(min(least), *_LEAST_FRONTAL)),
        most_distance=float(_SPARE * max(most)),
    )
