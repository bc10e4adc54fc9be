"""A small disk of one's own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def may_mount() -> bool:
    """Tell whether this user may mount a disk."""
    return os.geteuid() == 0


@contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[None]:
    """Mount a tmpfs of this size on a folder for the length of a block; it takes a superuser."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={size_mib}m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True, timeout=30)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, timeout=30)
