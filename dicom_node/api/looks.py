"""Who has seen what, for the audit trail: once in a while, however often a page asks."""

from datetime import timedelta
from typing import Final

from dicom_node.api.services import Node, Services, User

_STUDY_EVERY: Final = timedelta(minutes=15)
_LIST_EVERY: Final = timedelta(hours=1)
_FETCH_EVERY: Final = timedelta(hours=1)

PRIVATE: Final = {"Cache-Control": "no-store"}
"""What an answer says that holds a patient's name."""


def at_study(node: Services, user: str, study_instance_uid: str, *, refreshed: bool) -> None:
    """Write down that a user has opened a study; raises LedgerUnavailable.

    A page that refreshes what it shows has been looked at before, or says so wrongly: it needs an
    entry too, of this session or the one before.
    """
    longest = timedelta(hours=node.settings.session_longest_h)
    every = max(longest, _STUDY_EVERY) if refreshed else _STUDY_EVERY
    node.ledger.audit.append_at_most(user, "study.open", study_instance_uid, every)


def at_images(node: Services, user: str, study_instance_uid: str) -> None:
    """Write down that a user fetches a study from Orthanc; raises LedgerUnavailable."""
    node.ledger.audit.append_at_most(user, "study.fetch", study_instance_uid, _FETCH_EVERY)


def at_list(node: Node, user: User) -> None:
    """Write down that a user sees the list of studies, with its names; a route's dependency."""
    node.ledger.audit.append_at_most(user, "worklist.open", None, _LIST_EVERY)
