"""The reading order: a pure rule, stated on the page by `rule_text`."""

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum

from dicom_node.domain import Priority, RunState, WorklistItem
from dicom_node.policy import Policy


class Place(IntEnum):
    """The groups of the worklist, first to last.

    A FAILED study stands before HIGH: nobody knows what is in it, and somebody must act; but it
    never buries a STAT. A REFUSED one stands before ROUTINE, so that a reader sees early that it
    has no second pair of eyes. A study whose result is not there yet follows; it will move
    within seconds. ASSESSED studies are done.
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
_BOUNDED_AS = {
    Place.FAILED: Priority.HIGH,
    Place.HIGH: Priority.HIGH,
    Place.REFUSED: Priority.ROUTINE,
    Place.PENDING: Priority.ROUTINE,
    Place.ROUTINE: Priority.ROUTINE,
    Place.LOW: Priority.LOW,
}


def order(items: Iterable[WorklistItem], policy: Policy, now: datetime) -> tuple[WorklistItem, ...]:
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


def place(item: WorklistItem, policy: Policy, now: datetime) -> Place:
    """Return the group that an item belongs to."""
    own = _own_place(item)
    bound = _BOUNDED_AS.get(own)
    if bound is not None and _waited_min(item, now) > policy.waiting[bound]:
        return Place.OVERDUE
    return own


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


def _own_place(item: WorklistItem) -> Place:
    if item.state is RunState.FAILED:
        return Place.FAILED
    if item.state is RunState.REFUSED:
        return Place.REFUSED
    by_priority = _BY_PRIORITY[item.priority] if item.priority else Place.PENDING
    if item.state is not RunState.REPORTED:
        return min(by_priority, Place.PENDING)  # an earlier report may be more urgent
    return Place.ASSESSED if item.assessment else by_priority


def _waited_min(item: WorklistItem, now: datetime) -> float:
    """Return minutes since the study was received, 0 where that is not known."""
    if item.received_at is None:
        return 0.0
    return max(0.0, (now - item.received_at).total_seconds() / 60)
