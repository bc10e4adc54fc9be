"""What a node reads with, in the audit trail: an entry where settings, policy or model changed."""

import hmac
import json
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
    """Return each setting that is not the default, with the start of its value's keyed hash.

    The values themselves may hold a password, as a database's URL does, and a hash without a key
    would tell whether a guess of it is right. The key is the node's token, which stays; before an
    ``up`` has made one, the names must do.
    """
    values = settings.model_dump()
    chosen = (
        name
        for name, field in sorted(type(settings).model_fields.items())
        if getattr(settings, name) != field.default
    )
    token = settings.internal_token
    return " ".join(
        name if token is None else f"{name}={_hash(token, name, values[name])}" for name in chosen
    )


def _hash(token: str, name: str, value: object) -> str:
    text = json.dumps(["settings.use", name, value], sort_keys=True, default=_plain)
    return hmac.digest(token.encode(), text.encode(), "sha256").hex()[:12]


def _plain(value: object) -> object:
    """Return what JSON knows; a set has no order of its own, and Python's changes at each start."""
    return sorted(map(str, value)) if isinstance(value, frozenset | set) else str(value)
