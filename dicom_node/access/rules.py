"""What a role may ask for: one pure rule for Orthanc's paths and the node's own.

Whatever is not named here is the operator's: a path that a later Orthanc brings is shut at first.
Paths are decoded and read in one way only (`asked`).
"""

import re
from typing import Final

from dicom_node.domain import Role

SAFE: Final = frozenset({"GET", "HEAD"})
"""Methods that change nothing (RFC 9110 9.2.1)."""

_PUBLIC: Final = re.compile(r"/ai/(login(/oidc(/callback)?)?|static/.+)")
_ANYBODYS_POSTS: Final = frozenset({"/ai/login", "/ai/logout"})
_SEEN_BY_READERS: Final = re.compile(
    r"/|/(ai|ohif)(/.*)?"
    r"|/(app|studies|series|instances|patients|wado|images)(/.*)?"
    r"|/dicom-web/(studies|series|instances)(/.*)?"
    r"|/(system|statistics|plugins)(/.*)?"
)
_SEARCHES: Final = frozenset({"/tools/find", "/tools/lookup"})
"""POST in Orthanc, though they change nothing; Orthanc Explorer lives by them."""

_READINGS: Final = re.compile(r"/ai/studies/[^/]+/(runs|assessments)")


def is_public(method: str, path: str) -> bool:
    """Tell whether a request needs no login: the way to the login itself."""
    if method == "POST":
        return path in _ANYBODYS_POSTS
    return method in SAFE and _PUBLIC.fullmatch(path) is not None


def permits(role: Role, method: str, path: str) -> bool:
    """Tell whether a user in this role may ask for this."""
    if role is Role.OPERATOR or is_public(method, path):
        return True
    if method in SAFE:
        return _SEEN_BY_READERS.fullmatch(path) is not None
    if method != "POST":
        return False
    if path in _SEARCHES:
        return True
    return role is Role.RADIOLOGIST and _READINGS.fullmatch(path) is not None
