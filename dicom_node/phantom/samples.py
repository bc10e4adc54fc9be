"""The demo studies: rendered from the phantom, written as files, sent by real C-STORE."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from scipy import ndimage

from dicom_node.domain import RefusalCode, RunState, StudyKind
from dicom_node.phantom import chest, film, knee, objects
from dicom_node.phantom.objects import Label
from dicom_node.phantom.volume import Array, Volume, axis, empty

_ROWS = 1024
_CT_SLICES, _CT_PIXELS = 48, 512
_NOISE_HU = 14.0


@dataclass(frozen=True, slots=True)
class DemoSample:
    """One study on disk and how it must end; ``refusals`` are the codes that are right, if any."""

    name: str
    kind: StudyKind
    files: tuple[Path, ...]
    study_instance_uid: str
    expected: RunState
    refusals: frozenset[RefusalCode] | None = None


@dataclass(frozen=True, slots=True)
class _Recipe:
    name: str
    kind: StudyKind
    render: Callable[[int], tuple[Label, list[Dataset]]]
    refusals: frozenset[RefusalCode] | None = None


def demo_studies(folder: Path, seed: int) -> tuple[DemoSample, ...]:
    """Render the demo studies into ``folder``, one folder each; the same seed, the same files.

    A frontal chest film and a chest CT to be read, a lateral film and a knee to be refused.
    Raises OSError where the folder cannot be written.
    """
    return tuple(_write(recipe, folder, seed) for recipe in _RECIPES)


def frontal(seed: int) -> tuple[Label, list[Dataset]]:
    """Render a frontal chest film, DX, 1024 x 1024."""
    volume = empty(axis(-180, 180, 448), axis(-122, 122, 62), axis(-192, 168, 448))
    chest.paint(volume, chest.build(seed, arms_down=True))
    picture = film.develop(film.attenuation(volume, "y"), (_ROWS, _ROWS), seed)
    label = Label("frontal", seed, "chest radiograph PA", "CHEST", "PA")
    return label, [objects.dx(label, picture, 360 / _ROWS)]


def lateral(seed: int) -> tuple[Label, list[Dataset]]:
    """Render a lateral chest film, CR, arms up."""
    volume = empty(axis(-180, 180, 80), axis(-142, 142, 354), axis(-192, 168, 448))
    chest.paint(volume, chest.build(seed, arms_down=False))
    picture = film.develop(film.attenuation(volume, "x"), (_ROWS, _ROWS * 284 // 360), seed)
    label = Label("lateral", seed, "chest radiograph lateral", "CHEST", "LL", ("P", "F"))
    return label, [objects.cr(label, picture, 360 / _ROWS)]


def knee_film(seed: int) -> tuple[Label, list[Dataset]]:
    """Render a knee film, CR."""
    volume = empty(axis(-105, 105, 360), axis(-95, 95, 60), axis(-150, 150, 512))
    knee.paint(volume)
    picture = film.develop(film.attenuation(volume, "y"), (_ROWS, _ROWS * 210 // 300), seed)
    label = Label("knee", seed, "knee radiograph AP", "KNEE", "AP", laterality="L")
    return label, [objects.cr(label, picture, 300 / _ROWS)]


def ct_series(seed: int) -> tuple[Label, list[Dataset]]:
    """Render a chest CT, 48 axial slices of 512 x 512, 6 mm apart."""
    line = axis(-180, 180, _CT_PIXELS)
    volume = empty(line, line, (np.arange(_CT_SLICES) * 6.0 - 148.0).astype(np.float32))
    chest.paint(volume, chest.build(seed, arms_down=False))
    label = Label("ct", seed, "chest CT", "CHEST")
    return label, list(objects.ct(label, volume, _noise(volume, seed)))


def _noise(volume: Volume, seed: int) -> Array:
    """Return scanner noise: grainy at the scale of a soft kernel, not pixel by pixel."""
    rng = np.random.default_rng((seed, 4))
    noise: Array = rng.standard_normal(volume.hu.shape, dtype=np.float32)
    for axis_number in (1, 2):
        ndimage.gaussian_filter1d(noise, 0.8, axis=axis_number, output=noise)
    noise *= _NOISE_HU / float(noise[0].std())
    return noise


def _write(recipe: _Recipe, folder: Path, seed: int) -> DemoSample:
    label, datasets = recipe.render(seed)
    place = folder / recipe.name
    place.mkdir(parents=True, exist_ok=True)
    files = []
    for number, dataset in enumerate(datasets, start=1):
        file = place / f"{number:03d}.dcm"
        dataset.save_as(file, enforce_file_format=True)
        files.append(file)
    return DemoSample(
        name=recipe.name,
        kind=recipe.kind,
        files=tuple(files),
        study_instance_uid=label.study_instance_uid,
        expected=RunState.REFUSED if recipe.refusals else RunState.REPORTED,
        refusals=recipe.refusals,
    )


_NOT_A_FRONTAL_CHEST = frozenset(
    {RefusalCode.NOT_CHEST, RefusalCode.NOT_FRONTAL, RefusalCode.OUT_OF_DISTRIBUTION}
)
_RECIPES = (
    _Recipe("frontal", StudyKind.CXR, frontal),
    _Recipe("ct", StudyKind.CT, ct_series),
    _Recipe("lateral", StudyKind.CXR, lateral, _NOT_A_FRONTAL_CHEST),
    _Recipe("knee", StudyKind.CXR, knee_film, _NOT_A_FRONTAL_CHEST),
)
