"""Where an encoded result lies while it is being sent.

The archive has every result, so a file is here for one attempt alone. What a process that was
killed has left goes with a later round.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dicom_node import log
from dicom_node.errors import DeliveryFailed

LONGEST_S: Final = 600.0
"""No attempt at sending one object lasts as long; what is older was left behind."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """A folder of DICOM files, empty but for what is on its way just now."""

    folder: Path

    @contextmanager
    def holding(self, sop_instance_uid: str, content: bytes) -> Iterator[Path]:
        """Keep the object's file for the length of a block.

        Raises DeliveryFailed where the folder cannot be written, on a full disk for example.
        """
        file = self.folder / f"{sop_instance_uid}.dcm"
        _write(file, content)
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    def clear(self, older_than_s: float = LONGEST_S) -> int:
        """Remove what was left behind; return how many files that were."""
        end = time.time() - older_than_s
        left = [file for file in self._files() if _modified(file) <= end]
        for file in left:
            file.unlink(missing_ok=True)
        if left:
            log.get().warning("outbox.cleared", count=len(left))
        return len(left)

    def _files(self) -> Iterator[Path]:
        return self.folder.iterdir() if self.folder.is_dir() else iter(())


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(content)
    except OSError as exc:
        with suppress(OSError):
            file.unlink()
        raise DeliveryFailed(f"{file.parent} cannot be written: {exc.strerror}") from exc


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
