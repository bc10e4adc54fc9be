"""Training and evaluation of the chest film model."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dicom_node.errors import SettingsError
from models import backbone, card, registry, weights
from models.backbone import Backbone, Pooled
from models.card import Figure, Label
from models.cxr_lite import preprocess
from models.cxr_lite.model import LUNGS
from models.cxr_lite.network import TRUNK, LungCommittee, LungNetwork, blank
from models.graph import softmax
from models.training import augment, calibrate, cxr_controls, cxr_figures, cxr_report, head, scores
from models.training import job as jobs
from models.training.job import Job, Outcome
from models.training.loop import Fitted, Plan, fit, logits
from models.training.manifest import Item
from models.training.read import LABELS, Read
from models.training.report import Part, WorstError
from models.training.scene import Films, Views, gather
from models.training.scores import Part as Share

HELD_OUT: Final = "held out of training"


def _plan(job: Job, films: Films) -> Plan:
    def change(views: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        return augment.lungs(views, job.recipe.augmentation, random)

    train = jobs.part(job, films.items, films.views, LABELS, "train")
    val = jobs.part(job, films.items, films.views, LABELS, "val")
    return replace(jobs.plan(job, train, val), change=change, prepare=preprocess.prepare)


def run(job: Job) -> Path:
    """Train, calibrate on val, measure on test; return the folder of the finished model."""
    fitting = job.recipe.fitting
    if fitting.head_strength > 0.0 and fitting.frozen_blocks != TRUNK:
        raise SettingsError(
            f"a recipe with head_strength must freeze {TRUNK} blocks: two share them"
        )
    films = gather(job)
    jobs.seed(job)
    network, plan = _begun(job).to(job.device), _plan(job, films)
    fitted = fit(network, plan, job.progress)
    return finish(job, films, joined(job, fitted.network, plan.train), fitted)


def joined(job: Job, network: Backbone, train: Share) -> Pooled:
    """Put ImageNet's features beside a trained network's and fit their head, where asked to."""
    strength = job.recipe.fitting.head_strength
    if strength == 0.0:
        return network
    both = LungCommittee.of(network, backbone.pretrained_lite(len(LABELS), 0.0))
    head.refit(both.to(job.device), train, preprocess.prepare, strength, job.progress)
    return both


def _begun(job: Job) -> LungNetwork:
    """Return the network that training begins with: ImageNet's, or that of another recipe."""
    network = LungNetwork(len(LABELS), job.recipe.fitting.dropout)
    if not job.recipe.start:
        network.load_state_dict(backbone.pretrained_lite(len(LABELS), 0.0).state_dict())
        return network
    folder = jobs.begun(job, job.recipe.start)
    known = card.load(folder)
    weights.fill(network, weights.read(folder, known.weights), known.weights.file)
    return network


def finish(job: Job, films: Films, network: Pooled, fitted: Fitted) -> Path:
    """Halve the precision of the weights, calibrate, measure and save a fitted network."""
    halved = {name: jobs.halved(tensor) for name, tensor in network.state_dict().items()}
    weights.fill(network, halved, jobs.WEIGHTS_FILE)
    val = jobs.part(job, films.items, films.views, LABELS, "val")
    raw = logits(network, val.images, preprocess.prepare)
    warmth = scores.temperature(raw, val)
    points = calibrate.labels(LABELS, raw, val, warmth)
    parts, errors = shown(job, films, network, warmth)
    outcome = Outcome(
        labels=points,
        operating={"temperature": warmth},
        figures=measure(job, films, network, warmth, points) + elsewhere(job),
        history=tuple(fitted.history),
        companions=(card.Part(name=LUNGS, sha256=registry.entry(LUNGS).card().weights.sha256),),
        ended=fitted.ended,
        parts=parts,
        errors=errors,
    )
    return jobs.save(job, halved, outcome)


def _from(items: Sequence[Item], sources: Sequence[str]) -> list[bool]:
    return [any(s in item.source or s == item.set for s in sources) for item in items]


def tested(job: Job, films: Films) -> Films:
    """Return the test films; of a recipe that holds sources out, all films of these."""
    unseen = job.recipe.exclude_sources
    if unseen:
        return films.where(_from(films.items, unseen))
    return films.where([item.split == "test" for item in films.items])


def shown(
    job: Job, films: Films, network: Pooled, warmth: float
) -> tuple[tuple[Part, ...], tuple[WorstError, ...]]:
    """Return the test sets and the worst errors for the report."""
    test = tested(job, films)
    parts = cxr_report.parts(test, logits(network, test.views, preprocess.prepare), warmth)
    core = [part for part in parts if part.name.startswith("core")]
    return parts, cxr_report.errors(network, test, core[0]) if core else ()


def measure(
    job: Job, films: Films, network: Pooled, warmth: float, labels: tuple[Label, ...]
) -> tuple[Figure, ...]:
    """Return every figure of the card on the test split, with the controls.

    A recipe that holds sources out is measured on all films of these instead.
    """
    test = tested(job, films)
    p = softmax(logits(network, test.views, preprocess.prepare), warmth)
    read = Read(test.items, p)
    if job.recipe.exclude_sources:
        return cxr_figures.held_out(read, job.recipe.exclude_sources)
    return (
        *cxr_figures.figures(read, labels),
        *cxr_controls.controls(network, _core(films, "train"), _core(films, "test")),
    )


def _core(films: Films, split: str) -> tuple[NDArray[np.int64], NDArray[np.str_], Views]:
    """Return class indices, patients and views of the labelled films of `core`."""
    mine = films.where(
        [i.split == split and i.set == "core" and i.label in LABELS for i in films.items]
    )
    truth = np.array([LABELS.index(item.label) for item in mine.items], dtype=np.int64)
    return truth, np.array([item.group for item in mine.items]), mine.views


def elsewhere(job: Job) -> tuple[Figure, ...]:
    """Return the figures on held-out sources that runs of this recipe beside it have left."""
    found = []
    for file in sorted(job.output.parent.glob(f"{job.recipe.name}-without-*/metrics.json")):
        figures = [
            Figure(**figure) for figure in json.loads(file.read_text(encoding="utf-8"))["figures"]
        ]
        found += [figure for figure in figures if HELD_OUT in figure.on]
    return tuple(found)


def evaluate(job: Job, folder: Path) -> tuple[Figure, ...]:
    """Measure a finished model anew."""
    known = card.load(folder)
    tensors = weights.read(folder, known.weights)
    network = blank(tensors, len(known.labels))
    weights.fill(network, tensors, known.weights.file)
    figures = measure(job, gather(job, _measured), network, known.temperature, known.labels)
    return figures + elsewhere(job)


def _measured(item: Item) -> bool:
    """Whether `measure` looks at a film: the test split, and `core` for the controls."""
    return item.split == "test" or item.set == "core"
