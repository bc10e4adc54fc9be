"""Small films without end: one phantom, rendered once, sent as study after study."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from dicom_node.phantom.samples import frontal
from tests.films import copy_of

_SHRUNK = 3
_SEED = 43


def small_film() -> Dataset:
    """Render a frontal film of a third of the usual size; the gate lets it pass."""
    _, (film,) = frontal(_SEED)
    pixels = np.ascontiguousarray(film.pixel_array[::_SHRUNK, ::_SHRUNK])
    film.Rows, film.Columns = pixels.shape
    film.PixelData = pixels.tobytes()
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if keyword in film:
            setattr(film, keyword, [float(edge) * _SHRUNK for edge in film[keyword].value])
    return film


def films(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Yield (Study Instance UID, file) for ever; the same ``name`` gives the same UIDs."""
    folder.mkdir(parents=True, exist_ok=True)
    first = folder / "film.dcm"
    small_film().save_as(first, enforce_file_format=True)
    for number in count(1):
        yield copy_of(first, f"{name}-{number}", folder)
