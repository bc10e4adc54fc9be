"""Studies that somebody deleted in the archive itself, of which its change log says nothing.

Orthanc counts its studies at little cost, and so does the ledger; only where one of the counts has
changed, or after a while, the lists are compared.
"""

import time
from collections.abc import Callable
from typing import Final

from dicom_node import log
from dicom_node.ports import Holdings, StudyBook

_EVERY_S: Final = 5.0
_AT_LEAST_EVERY_S: Final = 600.0
_REASON: Final = "deleted in the archive"


class Departures:
    """Takes off the list what the archive holds no more."""

    def __init__(
        self, archive: Holdings, studies: StudyBook, *, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._archive = archive
        self._studies = studies
        self._timer = timer
        self._counted_at = -_AT_LEAST_EVERY_S
        self._compared_at = -_AT_LEAST_EVERY_S
        self._counts = (-1, -1)

    def run(self) -> None:
        """Count every few seconds, compare where that differs; raises ArchiveUnavailable."""
        now_s = self._timer()
        if now_s - self._counted_at < _EVERY_S:
            return
        # Both: what comes and goes between two counts leaves the archive's as it was.
        counts = self._archive.study_count(), self._studies.present_count()
        self._counted_at = now_s
        if counts != self._counts or now_s - self._compared_at >= _AT_LEAST_EVERY_S:
            self.compare()
            self._counts, self._compared_at = counts, now_s

    def compare(self) -> None:
        """Compare the whole list; what arrives meanwhile is not in ours yet."""
        listed = self._studies.present()
        held = self._archive.study_ids()
        for orthanc_id, study_uid in listed.items():
            # Another patient's study may carry the same UID.
            if orthanc_id in held or self._archive.has_study(study_uid):
                continue
            if self._studies.depart(study_uid, "node", _REASON):
                log.get().warning("study.gone", study_uid=study_uid)
