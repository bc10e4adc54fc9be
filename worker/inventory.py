"""What a node reads with, in the audit trail: an entry where settings, policy or model changed."""

import hashlib
from collections.abc import Iterable
from typing import Final

from dicom_node.domain import ServedModel
from dicom_node.ledger.audit import AuditBook
from dicom_node.policy import Policy
from dicom_node.settings import Settings

_ACTOR: Final = "node"


def note_site(book: AuditBook, settings: Settings, policy: Policy) -> None:
    """Write down settings and policy where they differ from the last that were written down."""
    book.append_if_changed(_ACTOR, "settings.use", _fingerprint(settings))
    used = f"version {policy.version}, sha256 {policy.hash}"
    book.append_if_changed(_ACTOR, "policy.use", used)


def note_models(book: AuditBook, served: Iterable[ServedModel]) -> None:
    """Write down the served models where they differ from the last that were written down."""
    told = (
        f"{one.kind} {one.identity.name} {one.identity.version}, "
        f"weights {one.identity.weights_sha256}"
        for one in served
    )
    book.append_if_changed(_ACTOR, "model.use", "; ".join(sorted(told)))


def _fingerprint(settings: Settings) -> str:
    """Return each setting that is not the default, with the start of its value's hash.

    The values themselves may hold a password, as a database's URL does.
    """
    chosen = (
        (name, getattr(settings, name))
        for name, field in sorted(type(settings).model_fields.items())
        if getattr(settings, name) != field.default
    )
    return " ".join(
        f"{name}={hashlib.sha256(repr(value).encode()).hexdigest()[:12]}" for name, value in chosen
    )
