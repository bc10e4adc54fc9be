"""Lungs outlined by hand, for training the lung finder.

The outlines of the films of the COVID-19 Image Data Collection were drawn for V7 Labs and are
shipped inside the package torchxrayvision (Cohen et al. 2022, arXiv:2111.00595), which training
needs for this file alone; its code is not loaded.
"""

import importlib.util
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dicom_node.errors import SettingsError
from models.training.manifest import Item

Mask = NDArray[np.bool_]

_PACKAGE: Final = "torchxrayvision"
_FILE: Final = Path("data") / "semantic_masks_v7labs_lungs.zip"
_PREFIX: Final = "ieee8023__"
_DRAWN: Final = 127


def archive() -> Path:
    """Return the file of the outlines; raise SettingsError where the package is missing."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise SettingsError(
            f"the outlines of the lungs come with the package {_PACKAGE}; install the extra "
            f"'training' of dicom-node"
        )
    return Path(found.origin).parent / _FILE


def outlined(items: Sequence[Item], file: Path) -> dict[str, Mask]:
    """Return item id to mask (rows, columns of the original film) where there is one."""
    wanted = {
        item.file.stem.removeprefix(_PREFIX): item.id
        for item in items
        if item.file.stem.startswith(_PREFIX)
    }
    masks = {}
    with zipfile.ZipFile(file) as stored:
        for name in stored.namelist():
            item = wanted.get(PurePosixPath(name).stem)
            if item is not None:
                with Image.open(io.BytesIO(stored.read(name))) as image:
                    masks[item] = np.asarray(image.convert("L")) > _DRAWN
    return masks
