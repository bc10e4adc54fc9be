"""Who is at the node's HTTP port, and in which role."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ANONYMOUS = "anonymous"
"""The acting user of a node that has no users and serves its own machine alone."""


class Role(StrEnum):
    """What a user may do; each may all that those before it may."""

    READER = "reader"
    RADIOLOGIST = "radiologist"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user who has proved who he is, as the audit trail names him."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class UserAccount:
    """A user of the node; ``password_hash`` is argon2's own notation, salt included."""

    name: str
    role: Role
    password_hash: str
    disabled: bool
    created_at: datetime
    changed_at: datetime
