"""Who did what, and how that is kept from being changed unseen."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act of a person or of the node; ``detail`` names no patient.

    ``actor`` is a user's name, a process of the node, or the `subject` of a user of the site's
    provider; ``actor_name`` is what that one was called at the time, empty for all others.

    ``hash`` is taken over the entry and ``previous_hash``, so that the newest hash stands for the
    whole trail. ``audit_id`` is its place in the trail, from 1.
    """

    at: datetime
    actor: str
    action: str
    study_instance_uid: str | None
    run_id: str | None
    detail: str
    audit_id: int = 0
    previous_hash: str = ""
    hash: str = ""
    actor_name: str = ""


@dataclass(frozen=True, slots=True)
class AuditFault:
    """The first entry of the trail that does not fit, and why."""

    audit_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """What an examination of the trail has found; ``last_hash`` is worth keeping elsewhere."""

    entries: int
    last_id: int
    last_hash: str
    fault: AuditFault | None
