"""The CT model's network: the mean of three networks that were trained on three folds."""

from collections.abc import Sequence
from typing import Final, Self

from models.backbone import Backbone
from models.committee import Committee

TRUNK: Final = 6
"""Stem, its norm and the first four stages: 80 maps at a sixteenth of the edge."""
MEMBERS: Final = 3
_LABELS: Final = 2


class SliceCommittee(Committee):
    """Grey slices in, (mean logits, feature maps of all members) out, as of `Committee`."""

    def __init__(self) -> None:
        super().__init__(_LABELS, MEMBERS, TRUNK)

    @classmethod
    def of(cls, networks: Sequence[Backbone]) -> Self:
        """Join networks that were trained with a frozen trunk."""
        joined = cls()
        joined.take(networks, [1.0 / MEMBERS] * MEMBERS)
        return joined
