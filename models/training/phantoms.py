"""Projections of the analytic phantom for the gate, with seeds that the demo does not use."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from dicom_node.phantom import chest, film, knee
from dicom_node.phantom.volume import axis, empty
from models import imaging
from models.imaging import Float
from models.training.progress import Progress

_FIRST_SEED: Final = 5000
_WHITE: Final = 4095.0
_COARSE: Final = 2
"""Voxels twice as large as the demo's: an eighth of the time."""
_KEPT_EDGE: Final = 384


def frontal(seed: int) -> Float:
    """Render a frontal film, 0 to 1."""
    volume = empty(axis(-180, 180, 448 // _COARSE), axis(-122, 122, 62), axis(-192, 168, 224))
    chest.paint(volume, chest.build(seed, arms_down=True))
    return film.develop(film.attenuation(volume, "y"), (512, 512), seed) / np.float32(_WHITE)


def lateral(seed: int) -> Float:
    """Render a lateral film, 0 to 1."""
    volume = empty(axis(-180, 180, 80), axis(-142, 142, 354 // _COARSE), axis(-192, 168, 224))
    chest.paint(volume, chest.build(seed, arms_down=False))
    return film.develop(film.attenuation(volume, "x"), (512, 404), seed) / np.float32(_WHITE)


def knee_film(seed: int) -> Float:
    """Render a knee, 0 to 1."""
    volume = empty(axis(-105, 105, 180), axis(-95, 95, 60), axis(-150, 150, 256))
    knee.paint(volume)
    return film.develop(film.attenuation(volume, "y"), (512, 358), seed) / np.float32(_WHITE)


VIEWS: Final[dict[str, Callable[[int], Float]]] = {
    "frontal": frontal,
    "lateral": lateral,
    "knee": knee_film,
}


def rendered(view: str, count: int, cache: Path, progress: Progress) -> list[Float]:
    """Return ``count`` projections of one view, square, from ``cache`` where they lie there."""
    file = cache / f"phantom-{view}-{count}.npy"
    if file.is_file():
        return list(np.load(file))
    seeds = range(_FIRST_SEED, _FIRST_SEED + count)
    films = [
        imaging.resize(VIEWS[view](seed), _KEPT_EDGE, _KEPT_EDGE)
        for seed in progress.track(seeds, f"rendering {view} phantoms")
    ]
    cache.mkdir(parents=True, exist_ok=True)
    np.save(file, np.stack(films))
    return films
