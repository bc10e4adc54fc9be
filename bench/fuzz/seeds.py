"""The files that mutations start from: phantoms, and the research images where there are any."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from dicom_node.phantom import samples
from dicom_node.pixels.wrap import encode
from tests.sources import SOURCES

FILMS: Final = "films"
OTHERS: Final = "others"
SLICES: Final = "slices"
_COMPRESSED = (RLELossless, JPEGLSLossless, JPEG2000Lossless)
_NATIVE = (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
_FILM_STEP, _CT_STEP = 4, 4
_SLICES = 14
_LARGEST = 2_000_000


def prepare(folder: Path, data: Path | None) -> None:
    """Write the seeds into ``folder``: single images, and the slices of one small series."""
    for kind in (FILMS, OTHERS, SLICES):
        (folder / kind).mkdir(parents=True)
    _, (film,) = samples.frontal(seed=3)
    small = _smaller(film, _FILM_STEP)
    _, series = samples.ct_series(seed=3)
    every = len(series) // _SLICES
    slices = [_smaller(one, _CT_STEP) for one in series[: every * _SLICES : every]]
    images = [("film", small), ("slice", slices[_SLICES // 2])]
    for name, image in [*images, *((n, make()[0]) for n, make in SOURCES.items())]:
        _keep(folder, f"phantom-{name}", encode(image))
    for name, image in images:
        for uid, content in _recoded(image):
            _keep(folder, f"phantom-{name}-{uid}", content)
    for number, image in enumerate(slices):
        (folder / SLICES / f"{number:02d}.dcm").write_bytes(encode(image))
    for file in sorted((data / "dicom").rglob("*.dcm")) if data else []:
        if file.stat().st_size <= _LARGEST:
            _copy(file, folder)


def pool(folder: Path) -> tuple[bytes, ...]:
    """Return the seeds of a folder in the order of their names."""
    return tuple(file.read_bytes() for file in sorted(folder.iterdir()))


def _smaller(image: Dataset, step: int) -> Dataset:
    pixels: NDArray[np.generic] = image.pixel_array[::step, ::step]
    image.Rows, image.Columns = pixels.shape
    image.PixelData = pixels.tobytes()
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if keyword in image:
            setattr(image, keyword, [f"{float(mm) * step:.6f}" for mm in image[keyword].value])
    return image


def _recoded(image: Dataset) -> Iterator[tuple[str, bytes]]:
    content = encode(image)
    for uid in _COMPRESSED:
        copy = _read(content)
        copy.compress(uid, generate_instance_uid=False)
        yield uid, encode(copy)
    for uid in _NATIVE:
        copy = _read(content)
        copy.file_meta.TransferSyntaxUID = uid
        yield uid, encode(copy)


def _read(content: bytes) -> Dataset:
    return dcmread(BytesIO(content))


def _copy(file: Path, folder: Path) -> None:
    """Copy a research image; Implicit VR becomes explicit, which mutations can take apart."""
    name = f"{file.parent.name}-{file.stem}"
    _keep(folder, name, file.read_bytes())
    try:
        image = dcmread(file)
        if image.file_meta.TransferSyntaxUID != ImplicitVRLittleEndian:
            return
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        explicit = encode(image)
    except (InvalidDicomError, ValueError, AttributeError, KeyError, TypeError, OSError):
        return  # damaged on purpose: it serves as it is
    _keep(folder, f"{name}-explicit", explicit)


def _keep(folder: Path, name: str, content: bytes) -> None:
    try:
        modality = str(_read(content).get("Modality", ""))
    except (InvalidDicomError, ValueError, AttributeError, KeyError, TypeError, OSError):
        modality = ""
    kind = FILMS if modality in {"CR", "DX"} else OTHERS
    (folder / kind / f"{name}.dcm").write_bytes(content)
