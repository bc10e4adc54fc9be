"""One page of the worklist: filter, count, order, cut; pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dicom_node.domain import RunState, WorklistHead
from dicom_node.policy import Policy
from dicom_node.worklist.filters import Filter, keep
from dicom_node.worklist.order import order


@dataclass(frozen=True, slots=True)
class Listing:
    """Which studies a page shows, and how many there are.

    ``uids`` are the first of the ``matching`` studies in reading order, ``total`` is how many the
    node knows. ``states`` counts what passes the other filters, so that a reader sees that
    studies have failed also while looking at others. ``modalities`` are all that occur.
    """

    uids: tuple[str, ...]
    matching: int
    total: int
    states: Mapping[RunState, int]
    modalities: tuple[str, ...]


def page(
    heads: Sequence[WorklistHead], wanted: Filter, limit: int, policy: Policy, now: datetime
) -> Listing:
    """Return the first ``limit`` studies that pass the filter, in reading order."""
    in_any_state = keep(heads, replace(wanted, state=None))
    matching = keep(in_any_state, Filter(state=wanted.state))
    ordered = order(matching, policy, now)
    return Listing(
        uids=tuple(head.study_instance_uid for head in ordered[:limit]),
        matching=len(matching),
        total=len(heads),
        states=Counter(head.state for head in in_any_state),
        modalities=tuple(sorted({head.modality for head in heads})),
    )
