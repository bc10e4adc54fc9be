"""Who is at the node's HTTP port, and in which role."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from dicom_node.errors import AccessError

ANONYMOUS: Final = "anonymous"
"""The acting user of a node that has no users and serves its own machine alone."""

UNKNOWN: Final = "unknown"
"""Who failed to log in where no user has that name: what was typed may be a password."""

NODES_OWN: Final = frozenset({"node", "worker"})
"""Names by which the node itself stands in the audit trail, beside a worker's ``host:pid``."""

RESERVED: Final = NODES_OWN | {ANONYMOUS, UNKNOWN, "command line"}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


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


def checked_name(given: str) -> str:
    """Return a user's name as the node keeps it; raise AccessError where it can be none.

    The audit trail knows people by their names alone: nobody may have a name of the node's own, or
    one that merely looks like somebody else's. So names are ASCII before they are put in lower
    case, and nothing is cut off or left out.
    """
    name = given.lower()
    if not given.isascii() or not _NAME.fullmatch(name) or name in RESERVED:
        raise AccessError(
            "a user's name has letters, digits and . _ @ - up to 64, and is none by which the "
            "audit trail knows the node itself; choose one that fits"
        )
    return name


@dataclass(frozen=True, slots=True)
class UserAccount:
    """A user of the node; ``password_hash`` is argon2's own notation, salt included."""

    name: str
    role: Role
    password_hash: str
    disabled: bool
    created_at: datetime
    changed_at: datetime
