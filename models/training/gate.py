"""Training and evaluation of the gate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from models import backbone, card, weights
from models.card import Figure
from models.gate import features
from models.gate.cxr import Limits
from models.gate.features import GateNetwork
from models.graph import channels_last
from models.training import gate_audit, gate_fit, gate_table
from models.training import job as jobs
from models.training.job import Job, Outcome

TABLE: Final = "gate.md"
"""The audit as a table, in the output folder."""
_HALVED: Final = ("features", "components")
"""Tensors that are shipped at half precision; the pretrained weights were 8 bit once."""


def run(job: Job) -> Path:
    """Fit, choose limits, measure on test; return the folder of the finished gate.

    Nothing that is measured on had a part in the fit or in the limits.
    """
    network = GateNetwork(job.recipe.gating.rank).eval()
    pretrained = backbone.pretrained(job.backbone, 1, 0.0)
    network.features.load_state_dict(pretrained.features.state_dict())
    channels_last(network)
    train, val = (gate_fit.see(job, network, split) for split in ("train", "val"))
    gate_fit.fit(network, job.recipe.gating, train, job.recipe.seed)
    others = gate_fit.strangers_of(job, train)
    limits = gate_fit.limits(job.recipe.gating, others, (train, val))
    operating = {
        "least_frontal": limits.least_frontal,
        "most_distance": limits.most_distance,
    }
    tensors = {
        name: tensor.half() if name.startswith(_HALVED) else tensor
        for name, tensor in network.state_dict().items()
    }
    return jobs.save(
        job,
        tensors,
        Outcome((), operating, ()),
        lambda folder: _measured(job, _opened(folder), limits, others),
    )


def evaluate(job: Job, folder: Path) -> tuple[Figure, ...]:
    """Measure a finished gate anew.

    The gates without one source each are fitted again for it: they are not shipped.
    """
    known = card.load(folder)
    network = _opened(folder)
    limits = Limits(known.operating["least_frontal"], known.operating["most_distance"])
    others = gate_fit.strangers_of(job, gate_fit.see(job, network, "train"))
    return _measured(job, network, limits, others)


def _opened(folder: Path) -> GateNetwork:
    known = card.load(folder)
    tensors = weights.read(folder, known.weights)
    network = features.shaped_like(tensors).eval()
    weights.fill(network, tensors, known.weights.file)
    return channels_last(network)


def _measured(
    job: Job, network: GateNetwork, limits: Limits, others: Mapping[str, GateNetwork]
) -> tuple[Figure, ...]:
    met = gate_audit.cohort(job, network)
    found = (
        *gate_audit.figures(network, limits, met),
        *gate_audit.unseen_figures(others, limits, met),
        *gate_audit.series_figures(job),
    )
    table = job.output / TABLE
    table.write_text(gate_table.markdown(found), encoding="utf-8")
    job.progress.say(f"the table for docs/models/gate.md: {table}")
    return found
