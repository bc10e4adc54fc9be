"""The reading order: a pure rule, stated on the page by `rule_text`."""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import Protocol, TypeVar

from dicom_node.domain import IMAGELESS, Priority, RunState
from dicom_node.policy import Policy


class Ranked(Protocol):
    """All that the rule looks at: a `WorklistItem`, or its `WorklistHead`."""

    @property
    def study_instance_uid(self) -> str:
        """Return the Study Instance UID, which breaks ties."""
        ...

    @property
    def modality(self) -> str:
        """Return the modality of the study's images, or of its documents where it has none."""
        ...

    @property
    def state(self) -> RunState:
        """Return the study's state."""
        ...

    @property
    def priority(self) -> Priority | None:
        """Return the priority of the report in view."""
        ...

    @property
    def received_at(self) -> datetime | None:
        """Return when the waiting began."""
        ...

    @property
    def is_assessed(self) -> bool:
        """Return whether a reader has judged the report in view."""
        ...


R = TypeVar("R", bound=Ranked)


class Place(IntEnum):
    """The groups of the worklist, first to last.

    A FAILED study stands before HIGH: nobody knows what is in it, and somebody must act; but it
    never buries a STAT. A REFUSED one stands before ROUTINE, so that a reader sees early that it
    has no second pair of eyes. A study whose result is not there yet follows; it will move
    within seconds. One of documents alone, without an image, is LOW and never overtakes.
    ASSESSED studies are done.
    """

    STAT = 0
    OVERDUE = 1
    FAILED = 2
    HIGH = 3
    REFUSED = 4
    PENDING = 5
    ROUTINE = 6
    LOW = 7
    ASSESSED = 8


_BY_PRIORITY = {
    Priority.STAT: Place.STAT,
    Priority.HIGH: Place.HIGH,
    Priority.ROUTINE: Place.ROUTINE,
    Priority.LOW: Place.LOW,
}
_UNREAD = frozenset({RunState.RECEIVED, RunState.REFUSED, RunState.FAILED})
_BOUNDED_AS = {
    Place.FAILED: Priority.HIGH,
    Place.HIGH: Priority.HIGH,
    Place.REFUSED: Priority.ROUTINE,
    Place.PENDING: Priority.ROUTINE,
    Place.ROUTINE: Priority.ROUTINE,
    Place.LOW: Priority.LOW,
}


def order(items: Iterable[R], policy: Policy, now: datetime) -> tuple[R, ...]:
    """Return the items in reading order: by `place`, then the longest wait, then UID.

    Every item is kept, and the order of ``items`` does not matter. No study starves: one that
    has waited beyond its bound in ``policy.waiting`` (minutes) yields only to STAT and to
    others beyond theirs that have waited longer.
    """
    return tuple(
        sorted(
            items,
            key=lambda item: (
                place(item, policy, now),
                -_waited_min(item, now),
                item.study_instance_uid,
            ),
        )
    )


def place(item: Ranked, policy: Policy, now: datetime) -> Place:
    """Return the group that an item belongs to."""
    bound = bound_min(item, policy)
    if bound is not None and _waited_min(item, now) > bound:
        return Place.OVERDUE
    return _own_place(item)


def moved(
    items: Iterable[Ranked], policy: Policy, before: datetime, now: datetime
) -> frozenset[str]:
    """Return the studies whose `place` has changed by time alone."""
    return frozenset(
        item.study_instance_uid
        for item in items
        if place(item, policy, before) is not place(item, policy, now)
    )


def bound_min(item: Ranked, policy: Policy) -> float | None:
    """Return the minutes after which an item overtakes; None: it is first already, or done."""
    if _is_imageless(item):
        return None
    bound = _BOUNDED_AS.get(_own_place(item))
    return None if bound is None else policy.waiting[bound]


def rule_text(policy: Policy) -> str:
    """Return the rule as sentences for the page."""
    bounds = ", ".join(
        f"{priority} {policy.waiting[priority]:g} min"
        for priority in (Priority.HIGH, Priority.ROUTINE, Priority.LOW)
    )
    return (
        f"Reading order: STAT; then studies that have waited beyond their bound ({bounds}; a "
        "failed study counts as HIGH, a refused or unfinished one as ROUTINE); then failed "
        "studies, HIGH, refused studies, studies whose result is not there yet, ROUTINE, LOW; "
        "last those that a reader has assessed. Within each group the longest wait comes first."
    )


def places_text() -> str:
    """Return the groups in one line, first to last, for the page."""
    words = {Place.PENDING: "no result yet"}
    return " › ".join(
        group.name if group.name in Priority.__members__ else words.get(group, group.name.lower())
        for group in Place
    )


def _own_place(item: Ranked) -> Place:
    if _is_imageless(item):
        return Place.LOW
    if item.state is RunState.FAILED:
        return Place.FAILED
    if item.state is RunState.REFUSED:
        return Place.REFUSED
    by_priority = _BY_PRIORITY[item.priority] if item.priority else Place.PENDING
    if item.state is not RunState.REPORTED:
        return min(by_priority, Place.PENDING)  # an earlier report may be more urgent
    return Place.ASSESSED if item.is_assessed else by_priority


def _is_imageless(item: Ranked) -> bool:
    """Whether nothing has come but documents: also before it is known what else will."""
    return item.state in _UNREAD and item.priority is None and item.modality in IMAGELESS


def _waited_min(item: Ranked, now: datetime) -> float:
    """Return minutes since the study was received, 0 where that is not known."""
    if item.received_at is None:
        return 0.0
    return max(0.0, (now - item.received_at).total_seconds() / 60)
