"""Who has seen what, for the audit trail: once in a while, however often a page asks."""

from datetime import timedelta
from typing import Final

from dicom_node.api.services import Node, Services, User

_STUDY_EVERY: Final = timedelta(minutes=15)
_LIST_EVERY: Final = timedelta(hours=1)


def at_study(node: Services, user: str, study_instance_uid: str) -> None:
    """Write down that a user has opened a study; raises LedgerUnavailable."""
    node.ledger.audit.append_at_most(user, "study.open", study_instance_uid, _STUDY_EVERY)


def at_list(node: Node, user: User) -> None:
    """Write down that a user sees the list of studies, with its names; a route's dependency."""
    node.ledger.audit.append_at_most(user, "worklist.open", None, _LIST_EVERY)
