"""Training of the CT model: three networks on three folds of papers, joined into one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Generator, Tensor

from dicom_node.errors import SettingsError
from models import backbone, card, weights
from models.card import Figure
from models.ct_lite import network, preprocess
from models.ct_lite.network import SliceCommittee
from models.graph import softmax
from models.training import calibrate, ct_figures, ct_slices, ct_volumes, mistakes, scores
from models.training import job as jobs
from models.training.augment import augment
from models.training.ct_slices import CLASSES, COVID, Slices, gather
from models.training.job import Job, Outcome
from models.training.loop import Fitted, Plan, fit, logits
from models.training.report import part_of
from models.training.scores import Part

FOLDS = (
    "COVID-CT official train and val, each slice read by the network that had not seen its paper"
)


def centred(images: Tensor) -> Tensor:
    """Return the part of prepared slices that a served model sees."""
    margin = (preprocess.PREPARED_EDGE - preprocess.EDGE) // 2
    return images[:, :, margin : margin + preprocess.EDGE, margin : margin + preprocess.EDGE]


def _part(job: Job, slices: Slices) -> Part:
    """Return slices weighted by the cells' shares; in a cell a paper counts by its square root.

    One paper brought 26 figures, most brought one or two.
    """
    _, member, size = np.unique(slices.groups, return_inverse=True, return_counts=True)
    weights = np.zeros(len(slices.items))
    for cell in job.recipe.cells:
        mine = np.array([i.label == cell.label and i.set in cell.sets for i in slices.items])
        job.progress.say(f"{cell.label} from {'+'.join(cell.sets)}: {int(mine.sum())}")
        if mine.any():
            each = 1.0 / np.sqrt(size[member[mine]])
            weights[mine] = cell.share * each / each.sum()
    allowed = np.eye(len(CLASSES), dtype=np.bool_)[slices.truth]
    return Part(slices.images, allowed, weights / weights.sum())


def _plan(job: Job, divided: Slices, number: int) -> Plan:
    """Return the plan of one member: another seed, the papers of one fold left out."""

    def change(images: Tensor, random: Generator) -> Tensor:
        # What augmentation moves in from outside is 0; outside the lungs is tissue, which is 1.
        return 1.0 - augment(1.0 - images, preprocess.EDGE, job.recipe.augmentation, random)

    train, val = (_part(job, divided.of(split)) for split in ("train", "val"))
    return replace(
        jobs.plan(job, train, val),
        change=change,
        prepare=centred,
        seed=job.recipe.seed + number,
        checkpoint=job.output / f"checkpoint-{job.recipe.digest}-{number}.pt",
    )


def _member(job: Job, divided: Slices, number: int) -> Fitted:
    """Train one network, or take up what an interrupted run has left of it."""
    member = backbone.pretrained_lite(len(CLASSES), job.recipe.fitting.dropout)
    kept = _kept(job, number)
    if kept.is_file():
        member.load_state_dict(load_file(kept))
        return Fitted(member)
    fitted = fit(member.to(job.device), _plan(job, divided, number), job.progress)
    weights.write(kept, fitted.network.state_dict())
    return fitted


def _kept(job: Job, number: int) -> Path:
    return job.output / f"member-{job.recipe.digest}-{number}.safetensors"


def run(job: Job) -> Path:
    """Train, calibrate on the folds left out, measure on test; return the model's folder."""
    if job.recipe.fitting.frozen_blocks != network.TRUNK:
        raise SettingsError(f"a CT recipe must freeze {network.TRUNK} blocks: they are shared")
    slices = gather(job)
    jobs.seed(job)
    fitted, left_out = [], []
    for number, divided in enumerate(ct_slices.folds(slices, job.recipe.seed)):
        job.progress.say(f"member {number + 1} of {network.MEMBERS}")
        fitted.append(_member(job, divided, number))
        left = divided.of("val")
        left_out.append((left, logits(fitted[-1].network, left.images, centred)))
    unseen = Slices(
        [item for left, _ in left_out for item in left.items],
        np.concatenate([left.images for left, _ in left_out]),
    )
    folder = finish(job, fitted, slices, unseen, np.concatenate([raw for _, raw in left_out]))
    for number in range(network.MEMBERS):
        _kept(job, number).unlink()
    return folder


def finish(
    job: Job, fitted: list[Fitted], slices: Slices, unseen: Slices, raw: NDArray[np.float32]
) -> Path:
    """Join, calibrate by what each member said of papers that it had not seen, measure, save."""
    joined = SliceCommittee.of([one.network for one in fitted])
    halved = {name: jobs.halved(tensor) for name, tensor in joined.state_dict().items()}
    weights.fill(joined, halved, jobs.WEIGHTS_FILE)
    allowed = np.eye(len(CLASSES), dtype=np.bool_)[unseen.truth]
    part = Part(unseen.images[:0], allowed, np.full(len(raw), 1.0 / len(raw)))
    warmth = scores.temperature(raw, part)
    point = calibrate.labels(CLASSES, raw, part, warmth, only=COVID)[0]
    test = slices.of("test")
    said = logits(joined, test.images, centred)
    tested = part_of(
        ct_figures.TEST, CLASSES, test.items, softmax(said, warmth), uncalibrated=softmax(said, 1.0)
    )
    outcome = Outcome(
        labels=(point,),
        operating={"temperature": warmth},
        figures=(
            *ct_figures.figures(softmax(raw, warmth), unseen, point, FOLDS),
            *_measured(job, slices, joined, softmax(said, warmth), point),
        ),
        history=tuple(fitted[-1].history),
        ended=fitted[-1].ended,
        parts=(tested,),
        errors=mistakes.explained(tested, network=joined, images=test.images, prepare=centred),
    )
    return jobs.save(job, halved, outcome, lambda folder: ct_volumes.figures(job.data, folder))


def _measured(
    job: Job, slices: Slices, joined: SliceCommittee, p: NDArray[np.float32], point: card.Label
) -> tuple[Figure, ...]:
    """Return the figures on the official test split, without shared papers too, and controls."""
    test = slices.of("test")
    papers = {item.group for item in slices.items if item.split != "test"}
    fresh = np.array([group not in papers for group in test.groups])
    found = ct_figures.figures(p, test, point, ct_figures.TEST)
    if len(np.unique(test.truth[fresh])) == len(CLASSES):
        found += ct_figures.figures(
            p[fresh], test.where(fresh), point, "the same, unseen papers only"
        )
    return found + ct_figures.controls(joined, slices, centred, job.progress)


def evaluate(job: Job, folder: Path) -> tuple[Figure, ...]:
    """Measure a finished model anew."""
    known = card.load(folder)
    joined = SliceCommittee()
    weights.fill(joined, weights.read(folder, known.weights), known.weights.file)
    slices = gather(job)
    p = softmax(logits(joined, slices.of("test").images, centred), known.temperature)
    measured = _measured(job, slices, joined, p, known.labels[0])
    return measured + ct_volumes.figures(job.data, folder)
