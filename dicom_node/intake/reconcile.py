"""The guarantee: what the archive's change log says has a run, whatever the trigger missed."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from dicom_node import log
from dicom_node.domain import Change, Failure, Stage, Trigger
from dicom_node.errors import (
    ArchiveAway,
    ArchiveFault,
    ArchiveUnavailable,
    LedgerUnavailable,
    NodeError,
    QueueUnavailable,
    StudyNotFound,
)
from dicom_node.foreign import where
from dicom_node.intake.admission import Admission, utc_now
from dicom_node.intake.beginning import CURSOR, begin
from dicom_node.policy import Retry
from dicom_node.ports import ChangeLog, StudyBook

SWEPT: Final = "intake.swept"
"""The cursor that holds the Unix time of the last complete sweep: intake's sign of life."""
_STUDY_CHANGES: Final = frozenset({"NewStudy", "StableStudy"})
_SERIES_CHANGES: Final = frozenset({"NewSeries", "StableSeries"})
_NEW_IMAGE: Final = "NewInstance"
_SKEW_S: Final = 10.0
"""By how much the clocks of two machines that sweep may differ."""
_NOBODYS_FAULT: Final = (ArchiveAway, LedgerUnavailable, QueueUnavailable)
"""What says nothing of the study at hand: the next one would meet it too."""


class Reconcile:
    """Reads on in the change log, and looks again at whatever is due."""

    def __init__(
        self,
        changes: ChangeLog,
        studies: StudyBook,
        admission: Admission,
        retry: Retry,
        *,
        clock: Callable[[], datetime] = utc_now,
        backlog: timedelta = timedelta(),
    ) -> None:
        self._backlog = backlog
        self._changes = changes
        self._studies = studies
        self._admission = admission
        self._retry = retry
        self._clock = clock
        self._failures: dict[str, int] = {}

    def run(self) -> None:
        """Catch up with the archive, then with the ledger; each step may be repeated.

        Raises ArchiveUnavailable, LedgerUnavailable, QueueUnavailable: the next run goes on
        where this one stopped.
        """
        now = self._clock()
        self._mind_the_clock(now)
        try:
            self.catch_up()
            self._look_back(now)
            for study_uid in self._studies.due(now):
                self._look_at(study_uid)
        finally:  # a run that stands in the ledger need not wait for the archive
            self._admission.hand_over_due(now)
        self._studies.move_cursor(SWEPT, int(now.timestamp()))

    def catch_up(self) -> None:
        """Consider every study that the change log names after the stored cursor."""
        begin(self._changes, self._studies, self._backlog)
        cursor = self._studies.cursor(CURSOR)
        while True:
            page = self._changes.changes(cursor)
            if page.last < cursor:  # another archive, or one that was wiped: begin again
                log.get().warning("reconcile.restarted", cursor=cursor)
                cursor = 0
                continue
            named = (*self._named(page.changes), *self._added(page.changes))
            for study_uid in dict.fromkeys(named):
                self._look_at(study_uid)
            if page.last != cursor:
                self._studies.move_cursor(CURSOR, page.last)
                cursor = page.last
            if page.done:
                return

    def _look_at(self, study_uid: str) -> None:
        """Consider one study; whatever it holds, the others have their turn."""
        try:
            self._admission.consider(study_uid, Trigger.RECONCILE)
        except _NOBODYS_FAULT:
            raise
        except ArchiveUnavailable as exc:
            self._put_off(study_uid, str(exc))
        except NodeError as exc:
            self._give_up(study_uid, str(exc))
        except Exception as exc:  # noqa: BLE001  # an outer boundary: no study may stop the sweep
            self._give_up(study_uid, f"intake met {where(exc)}")
        else:
            self._failures.pop(study_uid, None)

    def _put_off(self, study_uid: str, reason: str) -> None:
        """Try again, ever later; show it FAILED from the last attempt that the policy allows on."""
        attempt = self._failures[study_uid] = self._failures.get(study_uid, 0) + 1
        if attempt == self._retry.attempts:
            self._give_up(study_uid, reason)
        pause = timedelta(seconds=self._retry.pause_s(attempt))
        self._studies.announce(study_uid)
        self._studies.wait(study_uid, self._clock() + pause)
        log.get().warning("consider.postponed", study_uid=study_uid, attempt=attempt, error=reason)

    def _give_up(self, study_uid: str, reason: str) -> None:
        """Show the study FAILED, a study of which nothing else is known too."""
        log.get().error("consider.failed", study_uid=study_uid, error=reason)
        self._studies.announce(study_uid)
        self._studies.fail(study_uid, Failure(Stage.RECEIVE, reason))

    def _mind_the_clock(self, now: datetime) -> None:
        """Nothing may wait for an hour because the clock was set back by one."""
        ahead_s = self._studies.cursor(SWEPT) - now.timestamp()
        if ahead_s > _SKEW_S:
            log.get().warning("clock.set_back", elapsed_ms=round(1000 * ahead_s))
            self._studies.clock_was_set_back(timedelta(seconds=ahead_s))
            self._studies.move_cursor(SWEPT, int(now.timestamp()))

    def _look_back(self, now: datetime) -> None:
        """Look again at entries of the log that were stepped over."""
        for kind, orthanc_id in self._studies.stepped_over(now):
            for study_uid in self._followed(Change(0, kind, orthanc_id)):
                self._look_at(study_uid)

    def _added(self, changes: tuple[Change, ...]) -> tuple[str, ...]:
        """Name the studies of new images: an archive that dies forgets what was not stable yet,
        and an image that was added to a known series has no other entry in the log."""
        added = [change for change in changes if change.kind == _NEW_IMAGE]
        try:
            return self._changes.studies_of_instances([change.orthanc_id for change in added])
        except ArchiveFault:  # one of them is to blame
            return tuple(uid for change in added for uid in self._followed(change))

    def _named(self, changes: tuple[Change, ...]) -> Iterator[str]:
        for change in changes:
            if change.kind in _STUDY_CHANGES | _SERIES_CHANGES:
                yield from self._followed(change)

    def _followed(self, change: Change) -> tuple[str, ...]:
        """Name the studies of one entry of the log.

        One that Orthanc cannot tell of is tried as often as the policy says, then stepped over:
        what follows must not wait for it. It is looked at again, ever later.
        """
        known = (change.kind, change.orthanc_id)
        try:
            found = self._studies_of(change)
        except StudyNotFound:  # deleted since: there is nothing left to read
            log.get().info("reconcile.gone", orthanc_id=change.orthanc_id)
            found = ()
        except ArchiveFault as exc:
            self._step_over(change, exc)
            return ()
        if self._failures.pop(change.orthanc_id, None) is not None or change.sequence == 0:
            self._studies.followed(*known)
        return found

    def _step_over(self, change: Change, error: ArchiveFault) -> None:
        """Raise the error while the entry is to be tried at once; else note it for later."""
        key = change.orthanc_id
        attempt = self._failures[key] = self._failures.get(key, 0) + 1
        if attempt < self._retry.attempts and change.sequence:
            raise error
        pause = timedelta(seconds=self._retry.pause_s(attempt))
        self._studies.step_over(change.kind, key, self._clock() + pause)
        log.get().error("reconcile.stepped_over", orthanc_id=key, attempt=attempt, error=str(error))

    def _studies_of(self, change: Change) -> tuple[str, ...]:
        if change.kind in _STUDY_CHANGES:
            return (self._changes.study_uid(change.orthanc_id),)
        if change.kind in _SERIES_CHANGES:
            return (self._changes.study_uid_of_series(change.orthanc_id),)
        return self._changes.studies_of_instances([change.orthanc_id])
