"""Prepared images on disk, so that each JPEG is decoded once."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.imaging import Float
from models.training.manifest import Item
from models.training.progress import Progress

Bytes = NDArray[np.uint8]
Prepare = Callable[[Float], Float]
"""From a film to what is kept of it, 0 to 1."""


def read_grey(file: Path) -> Float:
    """Read a JPEG or PNG as float32 (rows, columns), 0 to 1."""
    with Image.open(file) as image:
        return np.asarray(image.convert("L"), dtype=np.float32) / 255.0


def prepared(
    items: Sequence[Item],
    prepare: Prepare,
    shape: int | tuple[int, ...],
    file: Path,
    progress: Progress,
) -> Bytes:
    """Return (n, *shape) uint8 images in the order of ``items``, from ``file`` where it fits.

    ``shape``: of one prepared image, or the edge of a square.

    The file's name carries a digest of the list, so another list makes another file.
    """
    each = (shape, shape) if isinstance(shape, int) else shape
    digest = hashlib.sha256("\n".join(item.id for item in items).encode()).hexdigest()[:12]
    stored = file.with_name(f"{file.stem}-{each[-1]}-{digest}.npy")
    if stored.is_file():
        images: Bytes = np.load(stored)
        return images
    stored.parent.mkdir(parents=True, exist_ok=True)
    images = np.empty((len(items), *each), dtype=np.uint8)
    with ThreadPoolExecutor() as workers:
        made = workers.map(lambda item: prepare(read_grey(item.file)), items)
        for index, _ in enumerate(progress.track(items, "preparing images")):
            images[index] = np.round(next(made) * 255.0)
    partial = stored.with_suffix(".part.npy")
    np.save(partial, images)
    partial.replace(stored)
    return images
