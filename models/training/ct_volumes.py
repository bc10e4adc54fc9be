"""What the CT model says of the real volumes: three patients, no statistics."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from sklearn.metrics import roc_auc_score

from models import haze, lungs, registry
from models.card import Figure
from models.ct_lite import series
from models.imaging import Float
from models.training import volumes
from models.training.ct_slices import CLASSES, COVID, SOUND_VOLUMES
from models.training.volumes import Volume

if TYPE_CHECKING:
    from models.ct_lite.model import CtLite, Slices

MODEL: Final = "ct-lite"
_ON: Final = "one sound volume"
_PARTS: Final = (0.1, 0.5)


def _upper(slices: Float, part: float) -> float:
    """Return the mean over the most probable ``part`` of the slices."""
    count = max(series.LEAST_CARRYING, round(part * len(slices)))
    return float(np.sort(slices)[-count:].mean())


def _energy(slices: "Slices") -> float:
    """Return the mean share of the evidence that lies inside the outline, before it is cut."""
    shares = [
        float((evidence.coarse * shown).sum() / evidence.coarse.sum())
        for evidence, shown in zip(slices.evidence, slices.shown, strict=True)
        if not evidence.is_flat
    ]
    return float(np.mean(shares)) if shares else 0.0


def _one(name: str, value: float, n: int = 1) -> Figure:
    return Figure(name=name, on=_ON, value=round(value, 4), n=n)


def _sound(volume: Volume, slices: "Slices") -> tuple[Figure, ...]:
    whose = f"{volume.name} (truth: {volume.label})"
    p = slices.probability
    found = [_one(f"series probability of COVID-19, {whose}", series.probability(p))]
    found += [
        _one(f"the same by the mean of the upper {part:.0%} of slices, {whose}", _upper(p, part))
        for part in _PARTS
    ]
    infected = np.array(volume.infected)[slices.index]
    if volume.label == CLASSES[COVID] and infected.any() and not infected.all():
        found.append(
            _one(
                f"AUC of slices marked infected against the others, {whose}",
                float(roc_auc_score(infected, p)),
                len(infected),
            )
        )
    found.append(
        _one(f"Grad-CAM energy inside the lungs' outline, {whose}", _energy(slices), len(p))
    )
    return tuple(found)


def _hazy(volume: Volume) -> Figure | None:
    found = lungs.find(volume.sample)
    chosen = series.spread(found.slices(series.LEAST_SHARE), series.MOST_SLICES)
    measured = haze.measure(volume.sample, found, chosen)
    if measured is None:
        return None
    return Figure(
        name=f"lung of ground-glass attenuation, per cent, {volume.name} (truth: {volume.label})",
        on="one volume; the definition was chosen by looking at these six",
        value=round(100.0 * measured.share, 2),
        n=measured.slices,
    )


def figures(data: Path, folder: Path) -> tuple[Figure, ...]:
    """Return what a finished model says of each sound volume, and the haze of all six."""
    where = registry.Entry(folder, registry.entry(MODEL).module)
    model = cast("CtLite", registry.open_model(where, "cpu"))
    found: list[Figure] = []
    hazy: list[Figure] = []
    for name in volumes.names(data):
        volume = volumes.read(data, name)
        if name in SOUND_VOLUMES:
            found += _sound(volume, model.read(volume.sample))
        measured = _hazy(volume)
        hazy += [] if measured is None else [measured]
    return (*found, *hazy)
