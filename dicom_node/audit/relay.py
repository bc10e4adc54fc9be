"""Brings the trail to a collector, in order, from a cursor of its own: nothing is left out.

A collector that is away is asked again, later each time, and then gets all that it missed; where a
connection breaks it may get entries twice, which their ``audit_id`` tells.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from dicom_node import log
from dicom_node.audit import message, syslog
from dicom_node.domain import AuditEntry
from dicom_node.errors import DeliveryFailed
from dicom_node.policy import Retry

CURSOR: Final = "audit.syslog"
_BATCH: Final = 200
_MOST_BATCHES: Final = 10
"""For each call; deliveries have their turn too."""

_HEAD_EVERY_S: Final = 600.0


class Trail(Protocol):
    """The audit trail, as one who copies it sees it."""

    def after(self, audit_id: int, limit: int) -> Sequence[AuditEntry]:
        """Return the entries that follow one, oldest first."""
        ...

    def head(self) -> tuple[int, str]:
        """Return place and hash of the newest entry."""
        ...


class Cursors(Protocol):
    """Keeps how far a copy has come (`ports.StudyBook`)."""

    def cursor(self, name: str) -> int:
        """Return a stored cursor, 0 at first."""
        ...

    def move_cursor(self, name: str, value: int) -> None:
        """Store a cursor."""
        ...


class Sink(Protocol):
    """Takes lines, all or with DeliveryFailed."""

    def send(self, messages: Sequence[str]) -> None:
        """Send lines; raises DeliveryFailed where one may be lost."""
        ...


class Relay:
    """Carries new entries to a collector, if there is one, and notes the head in the log."""

    def __init__(
        self,
        trail: Trail,
        cursors: Cursors,
        sink: Sink | None,
        names: tuple[str, str],
        clock: Callable[[], float] = time.monotonic,  # not one that people set
    ) -> None:
        self._trail = trail
        self._cursors = cursors
        self._sink = sink
        self._ae_title, self._host = names
        self._clock = clock
        self._failures = 0
        self._not_before: float | None = None
        self._head_noted: tuple[float, int] | None = None

    def run(self, retry: Retry) -> None:
        """Do what is due now; the next call goes on. Raises LedgerUnavailable."""
        now = self._clock()
        self._note_head(now)
        if self._sink is None or (self._not_before is not None and now < self._not_before):
            return
        try:
            self._catch_up(self._sink)
        except DeliveryFailed as exc:
            self._failures += 1
            self._not_before = now + retry.delay_s(self._failures)
            log.get().warning("audit.postponed", attempt=self._failures, error=str(exc))
        else:
            self._failures, self._not_before = 0, None

    def _catch_up(self, sink: Sink) -> None:
        cursor = self._cursors.cursor(CURSOR)
        for _ in range(_MOST_BATCHES):
            entries = self._trail.after(cursor, _BATCH)
            if not entries:
                return
            sink.send([self._line(entry) for entry in entries])
            cursor = entries[-1].audit_id
            self._cursors.move_cursor(CURSOR, cursor)
            log.get().info("audit.forwarded", count=len(entries), cursor=cursor)

    def _line(self, entry: AuditEntry) -> str:
        text = message.xml(entry, self._ae_title, self._host)
        return syslog.line(entry.at, self._host, os.getpid(), text)

    def _note_head(self, now: float) -> None:
        """Write the head to the log now and then: who cuts the trail must cut that as well."""
        if self._head_noted is not None and now < self._head_noted[0] + _HEAD_EVERY_S:
            return
        audit_id, digest = self._trail.head()
        if self._head_noted is None or audit_id != self._head_noted[1]:
            log.get().info("audit.head", cursor=audit_id, sha256=digest)
        self._head_noted = now, audit_id
