"""Whether the node can take more images: space on the disk, and a queue that keeps up.

Asked for each instance that arrives, inside Orthanc too, so nothing here needs a compiled package:
the disk (bytes and files) by one system call, the queue from a figure that a thread reads once a
second. The API process counts the queue, and writes the figure down for Orthanc's plugin.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dicom_node import log
from dicom_node.errors import QueueUnavailable

SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
"""C-STORE: Refused: Out of Resources (PS3.4 B.2.3)."""

LEAST_INODES: Final = 1000
"""Each instance is a file, and so is each report; Orthanc makes up to two folders for one."""

_PERIOD_S = 1.0
_STALE_S: Final = 10.0
_GIB = 1 << 30
_UPLOADS: Final = re.compile(
    "/instances/?|/dicom-web/studies(/.*)?|/tools/(create-dicom|bulk-modify|bulk-anonymize)/?"
    "|/(patients|studies|series)/[^/]+/(modify|anonymize|merge|split)/?"
)
"""The POSTs that store: what was sent, or what Orthanc makes of images that it has."""


class Tally:
    """A small file that says how many messages wait; written by the API, read by the plugin."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, waiting: int) -> None:
        """Replace the figure; a disk that is full keeps the old one, which soon counts no more."""
        new = self._file.with_name(f".{self._file.name}")
        try:
            new.write_text(str(waiting), encoding="ascii")
            new.replace(self._file)
        except OSError as exc:
            log.get().warning("intake.tally_not_written", error=type(exc).__name__)

    def read(self) -> int:
        """Return the figure; raises QueueUnavailable where nobody has written one of late."""
        try:
            age_s = time.time() - self._file.stat().st_mtime
            if age_s < _STALE_S:
                return int(self._file.read_text(encoding="ascii"))
        except (OSError, ValueError) as exc:
            raise QueueUnavailable("nobody has counted the queue") from exc
        raise QueueUnavailable(f"nobody has counted the queue for {age_s:.0f} s")


class Room:
    """The limits beyond which images are turned away, to be sent again later."""

    def __init__(
        self, folders: Sequence[Path], reserve_bytes: int, depth: Callable[[], int], longest: int
    ) -> None:
        self._folders = tuple(folders)
        self._reserve = reserve_bytes
        self._depth = depth
        self._longest = longest
        self._waiting = 0

    def refusal(self, size: int = 0) -> str:
        """Return why an image of ``size`` bytes is not taken now; '' where there is room.

        Orthanc 1.10 leaves a file that it could not write to the end where it lies: one image
        that is larger than what is free would close the node for good.
        """
        return self._full_disk(size) or self._long_queue()

    def status(self, size: int = 0) -> int:
        """Return the DIMSE status for a C-STORE, `SUCCESS` where there is room."""
        return OUT_OF_RESOURCES if self.refusal(size) else SUCCESS

    def admits(self, uri: str, size: int = 0) -> bool:
        """Tell whether a POST of ``size`` bytes may go on: all but those that store may.

        The node's own results need not ask: the reserve is there for them.
        """
        return _UPLOADS.fullmatch(uri) is None or not self.refusal(size)

    def watch(self) -> None:
        """Look at the queue from now on, and log when the node closes and opens."""
        threading.Thread(target=self._watch, daemon=True, name="room").start()

    def look(self) -> None:
        """Read how long the queue is; a broker that is away holds up nobody's images."""
        try:
            self._waiting = self._depth()
        except QueueUnavailable:  # told by the health check; reconcile dispatches later
            self._waiting = 0

    def _watch(self) -> None:
        closed = ""
        pause = threading.Event()
        while not pause.wait(_PERIOD_S):
            self.look()
            now = self.refusal()
            if bool(now) != bool(closed):
                log.get().warning("intake.closed" if now else "intake.open", error=now or closed)
            closed = now

    def _full_disk(self, size: int) -> str:
        for folder in self._folders:
            try:
                disk = os.statvfs(folder)
            except OSError:  # not this process's to judge: storing there will say what is wrong
                continue
            free = disk.f_bavail * disk.f_frsize
            if disk.f_files and disk.f_favail < LEAST_INODES:  # some file systems count none
                return (
                    f"Images are refused: the disk has room for {disk.f_favail} more files and "
                    f"{LEAST_INODES} are kept for reports; remove old studies."
                )
            if free - size < self._reserve:
                return (
                    f"Images are refused: {free / _GIB:.2f} GiB are free on the disk and "
                    f"{self._reserve / _GIB:.2f} are kept for reports; remove old studies."
                )
        return ""

    def _long_queue(self) -> str:
        if self._waiting < self._longest:
            return ""
        return (
            f"Images are refused: {self._waiting} messages wait in the queue and the limit is "
            f"{self._longest}; see whether intake and worker run."
        )
