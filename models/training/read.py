"""Test films with what a model says of them, and the choosing among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.training.manifest import Item

LABELS: Final = ("normal", "bacterial_pneumonia", "viral_pneumonia", "covid19")
NORMAL: Final = 0
COVID: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Films, and the probabilities (n, labels) that the model gives them."""

    items: Sequence[Item]
    p: NDArray[np.float32]

    @property
    def truth(self) -> NDArray[np.int64]:
        """Return class indices; -1 for labels that the model does not have."""
        known = {name: index for index, name in enumerate(LABELS)}
        return np.array([known.get(item.label, -1) for item in self.items], dtype=np.int64)

    @property
    def groups(self) -> NDArray[np.str_]:
        """Return the patient of each film."""
        return np.array([item.group for item in self.items])

    def where(self, keep: Sequence[bool] | NDArray[np.bool_]) -> "Read":
        """Return the films for which ``keep`` holds."""
        mine = np.asarray(keep, dtype=bool)
        return Read(
            [item for item, kept in zip(self.items, mine, strict=True) if kept], self.p[mine]
        )

    def of(self, **wanted: object) -> "Read":
        """Return the films whose attributes equal ``wanted``."""
        return self.where([all(getattr(i, k) == v for k, v in wanted.items()) for i in self.items])

    def labelled(self, *labels: str) -> "Read":
        """Return the films with one of these labels."""
        return self.where([item.label in labels for item in self.items])

    def sourced(self, *sources: str) -> "Read":
        """Return the films whose source's name contains one of these, or whose set is one."""
        return self.where([_from(item, sources) for item in self.items])


def _from(item: Item, sources: Sequence[str]) -> bool:
    return any(source in item.source or source == item.set for source in sources)
