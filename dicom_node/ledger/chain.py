"""The hash chain over the audit: what was changed or taken out afterwards does not fit.

Each entry's hash is the SHA-256 of its own content, its place and the hash before it. Whoever
changes an entry would have to write every later one anew, and then the newest hash differs from
any copy of it that was kept elsewhere: in the log, at the collector (docs/audit.md).
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from typing import Final

from dicom_node.domain import AuditEntry, AuditFault, AuditVerdict

GENESIS: Final = "0" * 64
"""Stands before the first entry."""

_FORM: Final = "dicom-node audit 1"
_FORM_WITH_NAME: Final = "dicom-node audit 2"


def digest(entry: AuditEntry) -> str:
    """Return the hash of an entry: over its canonical JSON, in a fixed order."""
    content = [
        _FORM_WITH_NAME if entry.actor_name else _FORM,
        entry.previous_hash,
        entry.audit_id,
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor,
        entry.action,
        entry.study_instance_uid,
        entry.run_id,
        entry.detail,
        *([entry.actor_name] if entry.actor_name else []),
    ]
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def link(entry: AuditEntry, last_id: int, last_hash: str) -> AuditEntry:
    """Return the entry as the next one after ``last_id``."""
    placed = replace(entry, audit_id=last_id + 1, previous_hash=last_hash)
    return replace(placed, hash=digest(placed))


def examine(entries: Iterable[AuditEntry], head: tuple[int, str]) -> AuditVerdict:
    """Return what the chain says; ``entries`` come oldest first, ``head`` is the noted end."""
    count, last_id, last_hash = 0, 0, GENESIS
    for entry in entries:
        fault = _fault(entry, last_hash)
        if fault is not None:
            return AuditVerdict(count, last_id, last_hash, AuditFault(entry.audit_id, fault))
        count, last_id, last_hash = count + 1, entry.audit_id, entry.hash
    if head != (last_id, last_hash):
        reason = f"the trail was cut or written anew: its end was noted as entry {head[0]}"
        return AuditVerdict(count, last_id, last_hash, AuditFault(last_id + 1, reason))
    return AuditVerdict(count, last_id, last_hash, None)


def _fault(entry: AuditEntry, last_hash: str) -> str | None:
    if entry.hash != digest(entry):
        return "its content was changed"
    if entry.previous_hash != last_hash:
        return "an entry before it was taken out, put in or written anew"
    return None
