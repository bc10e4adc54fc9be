"""Who is at the node's HTTP port, and in which role."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from dicom_node.errors import AccessError

ANONYMOUS: Final = "anonymous"
"""The acting user of a node that has no users and serves its own machine alone."""

UNKNOWN: Final = "unknown"
"""Who failed to log in where no user has that name: what was typed may be a password."""

NODES_OWN: Final = frozenset({"node", "worker"})
"""Names by which the node itself stands in the audit trail, beside a worker's ``host:pid``."""

RESERVED: Final = NODES_OWN | {ANONYMOUS, UNKNOWN, "command line"}
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_LONGEST_SUB: Final = 255
"""OIDC Core 1.0, 2."""


class Role(StrEnum):
    """What a user may do; each may all that those before it may."""

    READER = "reader"
    RADIOLOGIST = "radiologist"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user who has proved who he is; ``subject`` is set where the site's provider vouches."""

    name: str
    role: Role
    subject: str = ""

    @property
    def actor(self) -> str:
        """By what the audit trail knows him: nobody else's, and his whatever he is called."""
        return self.subject or self.name


def subject(issuer: str, sub: object) -> str:
    """Return what stands for a user of the site's provider for good; raise AccessError.

    ``iss`` and ``sub`` together are the only claims that do (OIDC Core 1.0, 5.7); a name may be
    given to another tomorrow. Percent-encoded, so that a ``sub`` of any characters stays one word,
    no two are written alike, and none reads as a user of the node or as the node itself.
    """
    if not isinstance(sub, str) or not 0 < len(sub) <= _LONGEST_SUB:
        raise AccessError("the site's login service does not say who you are; nobody is logged in")
    try:
        return f"{issuer}#{quote(sub, safe='')}"
    except UnicodeEncodeError as exc:
        raise AccessError("the site's login service names you by what is no text") from exc


def is_subject(actor: str) -> bool:
    """Tell a user of the site's provider from one of the node and from its processes."""
    return "#" in actor


def checked_name(given: str) -> str:
    """Return a user's name as the node keeps it; raise AccessError where it can be none.

    People know one another by their names: nobody may have a name of the node's own, or one that
    merely looks like somebody else's. So names are ASCII before they are put in lower case, and
    nothing is cut off or left out.
    """
    name = given.lower()
    if not given.isascii() or not _NAME.fullmatch(name) or name in RESERVED:
        raise AccessError(
            "a user's name has letters, digits and . _ @ - up to 64, and is none by which the "
            "audit trail knows the node itself; choose one that fits"
        )
    return name


@dataclass(frozen=True, slots=True)
class SiteUser:
    """A user of the site's provider, as he was at his last login."""

    subject: str
    issuer: str
    sub: str
    name: str
    role: Role
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class UserAccount:
    """A user of the node; ``password_hash`` is argon2's own notation, salt included."""

    name: str
    role: Role
    password_hash: str
    disabled: bool
    created_at: datetime
    changed_at: datetime
