"""Files that their owner alone may read, written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def replace(file: Path, content: bytes) -> None:
    """Write a file in the place of the one that may be there; raises OSError."""
    with _beside(file, content) as new:
        new.replace(file)


def make(file: Path, content: bytes) -> bool:
    """Write a file unless there is one, and tell whether; raises OSError.

    Where two make it at the same time, the first stays.
    """
    with _beside(file, content) as new:
        try:
            file.hardlink_to(new)
        except FileExistsError:
            return False
    return True


def create(file: Path) -> TextIO:
    """Open a new file for text; raises OSError where there is one."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8")


@contextmanager
def _beside(file: Path, content: bytes) -> Iterator[Path]:
    """Write into the same folder, under a name of nobody else's, and on the disk for good."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        yield new
    finally:
        new.unlink(missing_ok=True)
