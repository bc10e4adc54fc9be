"""Inputs for the tests of the models: research images as samples, and copies of a model."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from dicom_node.domain import Geometry, InstanceRef, Sample, StudyKind
from dicom_node.pixels.load import Loaded, parse, refer
from dicom_node.pixels.select import select
from dicom_node.policy import load as load_policy
from models import golden
from models.card import ModelCard
from models.imaging import Float
from models.registry import Entry

GOLDEN = {StudyKind.CXR: golden.film, StudyKind.CT: golden.series}


def film(pixels: Float) -> Sample:
    """Return pixels as a chest film sample."""
    return Sample(
        kind=StudyKind.CXR,
        pixels=np.ascontiguousarray(pixels, dtype=np.float32),
        geometry=Geometry(),
        sources=(InstanceRef("2.25.7", "", "2.25.8"),),
    )


def jpeg(file: Path) -> Float:
    """Read a JPEG as float32, 0 to 1."""
    with Image.open(file) as image:
        return np.asarray(image.convert("L"), dtype=np.float32) / 255.0


def decoded(file: Path, kind: StudyKind = StudyKind.CXR) -> Sample:
    """Decode one DICOM file, or a folder of them, as the node would."""
    files = sorted(file.glob("*.dcm")) if file.is_dir() else [file]
    datasets = [parse(one.read_bytes()) for one in files]
    loaded = [Loaded(refer(dataset), dataset) for dataset in datasets]
    return select(kind, loaded, load_policy().limits).samples[0]


def copied(entry: Entry, folder: Path) -> Entry:
    """Return the entry of a copy of a model in ``folder``."""
    shutil.copytree(entry.folder, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    return Entry(folder, entry.module)


def replace_in(file: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = file.read_text(encoding="utf-8")
    if old not in text:
        raise AssertionError(f"{file} lacks {old!r}")
    file.write_text(text.replace(old, new), encoding="utf-8")


def labels_of(card: ModelCard) -> Iterator[str]:
    """Yield a card's labels in order."""
    return (label.label for label in card.labels)
