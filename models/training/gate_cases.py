"""What the film gate is measured on: right films, films altered, and what never was a film."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pydicom

from dicom_node.errors import PixelError, StudyRefused
from dicom_node.pixels import cxr
from dicom_node.pixels.load import Loaded, parse, refer
from dicom_node.policy import Limits
from models import imaging
from models.imaging import Float
from models.training import alterations, gate_examples, manifest, strangers, volumes
from models.training.alterations import Wanted
from models.training.cache import read_grey
from models.training.manifest import Item

_ALTERED_FILMS: Final = 25
_MOST_FILMS: Final = 200
"""So many films of one set are enough to see two refusals in a hundred: core has as many."""
_MADE: Final = 12
_SEED: Final = 4711


@dataclass(frozen=True, slots=True)
class Case:
    """One image, the kind that it counts for, and what the gate ought to do.

    ``on`` names where it comes from, ``group`` its patient, ``source`` the hospitals of a film.
    """

    kind: str
    on: str
    wanted: Wanted
    pixels: Float
    group: str
    source: str = ""


def _thinned(items: Sequence[Item], most: int) -> list[Item]:
    step = max(1.0, len(items) / most)
    return [items[int(index * step)] for index in range(min(len(items), most))]


def _measured(items: Sequence[Item]) -> dict[str, list[Item]]:
    """Return the films of each set that the gate is measured on; none was fitted to."""
    splits = {"core": "test", "kermany224": "test", "nih256": "test", "radiography256": "val"}
    return {
        f"{name} {split}": _thinned(
            [item for item in items if (item.set, item.split) == (name, split)], _MOST_FILMS
        )
        for name, split in splits.items()
    }


def films(data: Path) -> Iterator[Case]:
    """Yield right films of every source, adults and children apart."""
    for on, items in _measured(manifest.films(data)).items():
        for item in items:
            kind = "frontal film of an adult" if item.adult else "frontal film of a child"
            source = gate_examples.source(item)
            yield Case(kind, on, Wanted.PASS, read_grey(item.file), item.group, source)


def altered(data: Path) -> Iterator[Case]:
    """Yield films of core test, each altered in every way."""
    items = _thinned(_measured(manifest.films(data))["core test"], _ALTERED_FILMS)
    for kind, alteration in alterations.ALTERATIONS.items():
        for index, item in enumerate(items):
            random = np.random.default_rng((_SEED, index))
            pixels = alteration.change(read_grey(item.file), random)
            yield Case(kind, "core test, altered", alteration.wanted, pixels, item.group)


def foreign(data: Path) -> Iterator[Case]:
    """Yield what never was a film of a chest: slices, projections, pictures, drawings."""
    case = partial(Case, wanted=Wanted.REFUSE)
    for item in manifest.slices(data):
        yield case("CT slice", "COVID-CT, all", pixels=read_grey(item.file), group=item.group)
    for name in gate_examples.SIDE_VOLUMES["test"]:
        random = np.random.default_rng((_SEED, len(name)))
        sample = volumes.read(data, name).sample
        for index, (kind, pixels) in enumerate(strangers.of_volume(sample, random)):
            yield case(kind, "two volumes not fitted to", pixels=pixels, group=f"{name}{index}")
    for pictures, on in (
        (strangers.photographs(), "packages"),
        (strangers.other_modalities(), "packages"),
    ):
        for index, (kind, pixels) in enumerate(pictures):
            yield case(kind, on, pixels=pixels, group=str(index))
    for kind, make in strangers.MADE.items():
        for index in range(_MADE):
            pixels = make(np.random.default_rng((_SEED, index)))
            yield case(kind, "made", pixels=pixels, group=str(index))


def _pixels(file: Path, limits: Limits) -> Float:
    """Return a DICOM image as a film, whatever its header says that it is."""
    dataset = parse(file.read_bytes())
    try:
        return cxr.film(Loaded(refer(dataset), dataset), limits).pixels
    except (PixelError, StudyRefused):
        grey = pydicom.dcmread(file).pixel_array.astype(np.float32)
        return imaging.stretch(grey if grey.ndim == 2 else grey.mean(axis=-1))  # noqa: PLR2004


def real(data: Path, limits: Limits) -> Iterator[Case]:
    """Yield the real DICOM images, their headers unread: the pixels alone decide."""
    wanted = {"cxr": Wanted.PASS, "gate_header": Wanted.PASS, "gate_notchest": Wanted.REFUSE}
    for folder, right in wanted.items():
        for file in sorted((data / "dicom" / folder).glob("*.dcm")):
            kind = f"DICOM of {folder}, header unread"
            yield Case(kind, "real DICOM", right, _pixels(file, limits), file.stem)


def parts(data: Path, limits: Limits) -> Iterator[tuple[str, Iterator[Case]]]:
    """Yield everything, in named parts."""
    yield "films", films(data)
    yield "altered", altered(data)
    yield "foreign", foreign(data)
    yield "real", real(data, limits)
