"""Where in an archive's change log a new ledger begins to read.

An archive may hold years of studies when the node first meets it: none of them is read by itself.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from dicom_node import log
from dicom_node.ports import ChangeLog, StudyBook

CURSOR: Final = "orthanc.changes"
MADE: Final = "ledger.made"
"""The cursor that holds the Unix time at which the ledger was made."""

_SKEW: Final = timedelta(seconds=60)
"""By how much the clocks of two machines may differ: rather one study too many than one too few."""


def begin(changes: ChangeLog, studies: StudyBook, backlog: timedelta) -> None:
    """Set the cursor of a new ledger, once: behind all that the archive held when it was made.

    ``backlog`` before that is read all the same. A ledger that has a cursor keeps it, and one of an
    older version begins at 0 as it did. Raises ArchiveUnavailable, LedgerUnavailable.
    """
    if studies.has_cursor(CURSOR):
        return
    made = studies.cursor(MADE)
    start = 0
    if made:
        since = datetime.fromtimestamp(made, UTC) - _SKEW - backlog
        start = changes.last_before(since)
    studies.move_cursor(CURSOR, start)
    if start:
        log.get().warning("reconcile.begins", cursor=start)
