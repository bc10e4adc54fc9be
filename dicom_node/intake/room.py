"""Whether the node can take more images: space on the disk, and a queue that keeps up.

Asked for each instance that arrives, inside Orthanc: the disk by one system call, the queue from
a figure that a thread reads once a second.
"""

import re
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from dicom_node import log
from dicom_node.errors import QueueUnavailable
from dicom_node.intake.dispatch import INTAKE_QUEUE, RUN_QUEUE, Dispatcher
from dicom_node.settings import Settings

SUCCESS: Final = 0x0000
OUT_OF_RESOURCES: Final = 0xA700
"""C-STORE: Refused: Out of Resources (PS3.4 B.2.3)."""

_PERIOD_S = 1.0
_GIB = 1 << 30
_UPLOADS: Final = re.compile(
    "/instances/?|/dicom-web/studies(/.*)?|/tools/(create-dicom|bulk-modify|bulk-anonymize)/?"
    "|/(patients|studies|series)/[^/]+/(modify|anonymize|merge|split)/?"
)
"""The POSTs that store: what was sent, or what Orthanc makes of images that it has."""


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

    @classmethod
    def of(cls, settings: Settings, dispatcher: Dispatcher, *folders: Path) -> Self:
        """Return the room of this node; ``folders`` are where images lie."""

        def depth() -> int:
            return dispatcher.depth(RUN_QUEUE) + dispatcher.depth(INTAKE_QUEUE)

        return cls(folders, settings.disk_reserve_bytes, depth, settings.queue_limit)

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
                free = shutil.disk_usage(folder).free
            except OSError:  # not this process's to judge: storing there will say what is wrong
                continue
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
