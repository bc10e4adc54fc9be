"""Deterministic UIDs and digests: the same run always names the same objects.

UIDs are ``2.25.`` + the integer of a UUIDv5 (PS3.5 B.2), at most 44 characters.
"""

import hashlib
import uuid
from collections.abc import Iterable

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "dicom-node")
_SEPARATOR = "\x1f"


def derive(*parts: str) -> str:
    """Derive a DICOM UID from ``parts``; equal parts give equal UIDs."""
    return f"2.25.{uuid.uuid5(NAMESPACE, _SEPARATOR.join(parts)).int}"


def digest(parts: Iterable[str]) -> str:
    """Hash ``parts`` in the given order to a SHA-256 hex digest."""
    return hashlib.sha256(_SEPARATOR.join(parts).encode()).hexdigest()


def unordered_digest(pairs: Iterable[tuple[str, str]]) -> str:
    """Hash (SOP Instance UID, content digest) pairs; the order of arrival does not matter."""
    return digest(part for pair in sorted(pairs) for part in pair)
