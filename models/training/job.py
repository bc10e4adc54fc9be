"""One training run: where it reads, where it writes, and how its result becomes a model."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dicom_node.errors import SettingsError
from models import card, registry, served, weights
from models.card import Figure, Label, ModelCard, Weights
from models.imaging import CANONICAL_EDGE, EDGE
from models.training import cardfile, report
from models.training.augment import augment
from models.training.loop import Epoch, Plan
from models.training.manifest import Item
from models.training.progress import Progress
from models.training.recipe import Cell, Recipe
from models.training.scores import Part

WEIGHTS_FILE: Final = "weights.safetensors"
_MARGIN: Final = (CANONICAL_EDGE - EDGE) // 2
_FEW: Final = 30.0


@dataclass(frozen=True, slots=True)
class Job:
    """A recipe with its folders; ``data`` holds cxr/ and ct/, ``data``/../weights backbones."""

    recipe: Recipe
    data: Path
    output: Path
    progress: Progress

    @property
    def device(self) -> str:
        """Return the device that training runs on."""
        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def backbone(self) -> Path:
        """Return the file of the pretrained weights."""
        return self.data.resolve().parent / "weights" / self.recipe.pretrained

    @property
    def cache(self) -> Path:
        """Return the folder of prepared images."""
        return self.output / "cache"


def centred(images: Tensor) -> Tensor:
    """Return the part of prepared images that a served model sees."""
    return images[:, :, _MARGIN : _MARGIN + EDGE, _MARGIN : _MARGIN + EDGE]


def _excluded(item: Item, sources: Sequence[str]) -> bool:
    return any(source in item.source or source == item.set for source in sources)


def _members(items: Sequence[Item], cell: Cell, split: str, *, without: Sequence[str]) -> list[int]:
    return [
        index
        for index, item in enumerate(items)
        if item.split == split
        and item.label == cell.label
        and item.set in cell.sets
        and cell.source in item.source
        and not _excluded(item, without)
    ]


def part(
    job: Job, items: Sequence[Item], images: NDArray[np.uint8], labels: Sequence[str], split: str
) -> Part:
    """Return one split's images, weighted so that each cell has its share.

    A cell's label, or what it ``means``, says which outputs its images allow. On val a cell of
    few images counts less (share * n / (n + 30)): six films must not decide when training stops.
    A cell without images in this split is left out; raises SettingsError where all are.
    """
    chosen: list[int] = []
    share: list[float] = []
    allowed: list[list[bool]] = []
    for cell in job.recipe.cells:
        without = job.recipe.exclude_sources + cell.exclude_sources
        mine = _members(items, cell, split, without=without)
        job.progress.say(f"{split}: {cell.label} from {'+'.join(sorted(cell.sets))}: {len(mine)}")
        trust = len(mine) / (len(mine) + _FEW) if split == "val" else 1.0
        chosen += mine
        share += [trust * cell.share / len(mine) for _ in mine]
        allowed += [[label in cell.outputs for label in labels] for _ in mine]
    if not chosen:
        raise SettingsError(f"recipe {job.recipe.name} finds no images of split {split}")
    return Part(images[chosen], np.array(allowed), np.array(share) / sum(share))


def plan(job: Job, train: Part, val: Part) -> Plan:
    """Return the plan of a fit with this recipe's augmentation."""

    def change(images: Tensor, random: torch.Generator) -> Tensor:
        return augment(images, EDGE, job.recipe.augmentation, random)

    return Plan(
        fit=job.recipe.fitting,
        train=train,
        val=val,
        change=change,
        prepare=centred,
        seed=job.recipe.seed,
        checkpoint=job.output / f"checkpoint-{job.recipe.digest}.pt",
    )


def seed(job: Job) -> None:
    """Fix every source of randomness; results still differ a little between machines."""
    torch.manual_seed(job.recipe.seed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found out about its model."""

    labels: tuple[Label, ...]
    operating: dict[str, float]
    figures: tuple[Figure, ...]
    history: tuple[Epoch, ...] = ()
    companions: tuple[card.Part, ...] = ()
    ended: str = ""
    parts: tuple[report.Part, ...] = ()
    errors: tuple[report.WorstError, ...] = ()


def save(
    job: Job,
    tensors: dict[str, Tensor],
    outcome: Outcome,
    measure: Callable[[Path], tuple[Figure, ...]] | None = None,
) -> Path:
    """Write card, weights and golden numbers into a folder, which is returned.

    Beside it lie metrics.json and the report. ``measure`` adds figures that need the finished
    model.
    """
    where = registry.entry(job.recipe.model)
    folder = job.output / "model"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(where.folder / card.FILE, folder / card.FILE)
    named = Weights(file=WEIGHTS_FILE, sha256=weights.write(folder / WEIGHTS_FILE, tensors))
    cardfile.write(folder / card.FILE, named, outcome)
    entry = registry.Entry(folder, where.module)
    served.record(registry.open_model(entry, "cpu"), folder, GOLDEN_TOLERANCE)
    figures = outcome.figures
    if measure is not None:
        figures += measure(folder)
        cardfile.write(folder / card.FILE, named, replace(outcome, figures=figures))
    metrics = {
        "recipe": job.recipe.model_dump(mode="json"),
        "weights_sha256": named.sha256,
        "ended": outcome.ended,
        "figures": [figure.model_dump() for figure in figures],
        "history": [asdict(epoch) for epoch in outcome.history],
    }
    (job.output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    report.write(job.output / report.FILE, _report(job, card.load(folder), outcome, figures))
    return folder


def _report(
    job: Job, known: ModelCard, outcome: Outcome, figures: tuple[Figure, ...]
) -> report.Report:
    trained = sum(epoch.seconds for epoch in outcome.history)
    return report.Report(
        title=f"{known.name} {known.version}, recipe {job.recipe.name}",
        machine=report.machine(job.device, trained or None),
        figures=figures,
        summary=f"{known.architecture}. {known.intended_use}",
        weights_sha256=known.weights.sha256,
        settings=report.settings(job.recipe),
        history=outcome.history,
        ended=outcome.ended,
        select=job.recipe.fit.select if job.recipe.fit else "best",
        points=outcome.labels,
        parts=outcome.parts,
        errors=outcome.errors,
        limits=known.limits + known.confounds,
    )


GOLDEN_TOLERANCE: Final = 0.01
"""Processors and kernels differ by less; a changed preprocessing or weight by more."""


def install(job: Job, folder: Path) -> None:
    """Make a trained model the shipped one: copy its files over those in the package."""
    target = registry.entry(job.recipe.model).folder
    for name in (card.FILE, WEIGHTS_FILE, served.GOLDEN_FILE):
        shutil.copyfile(folder / name, target / name)


def begun(job: Job, name: str) -> Path:
    """Return the folder of the model of another recipe that this one needs, trained beside it.

    Where this recipe holds sources out, so must the other. Raises SettingsError where it was not
    trained yet.
    """
    folder = job.output.parent / job.recipe.beside(name) / "model"
    if not (folder / card.FILE).is_file():
        options = "".join(f" --hold-out '{source}'" for source in job.recipe.held_out)
        raise SettingsError(
            f"recipe {job.recipe.name} needs {folder.parent.name}, which is not in "
            f"{folder.parent.parent}; run `dicom-node models train {name}{options}` first"
        )
    return folder


def note(job: Job, figures: tuple[Figure, ...]) -> None:
    """Replace the figures in the card of the shipped model; weights and points stay."""
    where = registry.entry(job.recipe.model)
    known = where.card()
    outcome = Outcome(known.labels, dict(known.operating), figures, companions=known.parts)
    cardfile.write(where.folder / card.FILE, known.weights, outcome)


def halved(tensor: Tensor) -> Tensor:
    """Return a floating tensor at half precision: half the file, the same figures."""
    return tensor.half() if tensor.is_floating_point() else tensor


def network_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return what is shipped of a network."""
    return dict(network.state_dict())
