"""What the HTML report shows of a chest film model: its test sets and its worst errors."""

from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backbone import Pooled
from models.cxr_lite import preprocess
from models.graph import softmax
from models.training import mistakes
from models.training.read import LABELS
from models.training.report import Part, WorstError, part_of
from models.training.scene import Films

_MEANS: Final = MappingProxyType(
    {
        "pneumonia_unspecified": ("bacterial_pneumonia", "viral_pneumonia"),
        "other_pneumonia": LABELS[1:],
    }
)
_SETS: Final = MappingProxyType(
    {
        "core": "core test",
        "kermany224": "kermany224 test (children)",
        "nih256": "nih256 test (adults)",
    }
)


def parts(test: Films, raw: NDArray[np.float32], warmth: float) -> tuple[Part, ...]:
    """Return one part for each test set, with probabilities before and after calibration."""
    found = []
    for name, title in _SETS.items():
        mine = np.array([item.set == name for item in test.items], dtype=bool)
        if mine.any():
            found.append(
                part_of(
                    title,
                    LABELS,
                    test.where(mine).items,
                    softmax(raw[mine], warmth),
                    uncalibrated=softmax(raw[mine], 1.0),
                    means=_MEANS,
                )
            )
    return tuple(found)


def errors(network: Pooled, test: Films, core: Part) -> tuple[WorstError, ...]:
    """Return the worst errors on `core` with what the network looked at."""
    views = test.where([item.set == "core" for item in test.items]).views
    return mistakes.explained(core, network=network, images=views, prepare=preprocess.prepare)
