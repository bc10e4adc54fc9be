"""Every research film as the chest film model sees it: cut to its lungs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from models import imaging, registry
from models.cxr_lite.model import LUNGS
from models.cxr_lungs import fields
from models.cxr_lungs.model import CxrLungs
from models.training import cache, manifest
from models.training.job import Job
from models.training.manifest import Item

Views = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Films:
    """Films with their views: (n, 2, 240, 240) uint8, film and outline of the lungs."""

    items: Sequence[Item]
    views: Views

    def where(self, keep: Sequence[bool] | NDArray[np.bool_]) -> "Films":
        """Return the films for which ``keep`` holds."""
        mine = np.asarray(keep, dtype=bool)
        items = [item for item, kept in zip(self.items, mine, strict=True) if kept]
        return Films(items, self.views[mine])


def _any(item: Item) -> bool:
    del item
    return True


def gather(job: Job, keep: Callable[[Item], bool] = _any) -> Films:
    """Return every film that ``keep`` holds for, cut to its lungs by the registered lung finder.

    Kept beside the folders of all recipes, under a name that carries the finder's weights.
    """
    where = registry.entry(LUNGS)
    finder = cast("CxrLungs", registry.open_model(where, job.device))

    def prepare(film: imaging.Float) -> NDArray[np.float32]:
        view = fields.view(film, finder.find(film))
        return np.stack([view.pixels, view.mask])

    items = [item for item in manifest.films(job.data) if keep(item)]
    name = f"lungs-{where.card().weights.sha256[:8]}.npy"
    shape = (2, imaging.CANONICAL_EDGE, imaging.CANONICAL_EDGE)
    file = job.output.parent / "cache" / name
    return Films(items, cache.prepared(items, prepare, shape, file, job.progress))
