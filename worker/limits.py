"""What one study may take of the machine: memory, and time.

A limit of the process, not of a library: whatever allocates beyond it meets MemoryError, so that
the study ends with a sentence, where the kernel would have killed the worker or its neighbour.
"""

import resource
from pathlib import Path
from typing import Final

from dicom_node import log
from dicom_node.settings import Settings

HARD_AFTER_S: Final = 60
"""A reading that does not heed its time limit, as one inside a library, is killed after this."""

_SHARE = 0.75
_GPU = Path("/dev/nvidiactl")
_MEMINFO = Path("/proc/meminfo")
_CGROUPS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_bytes(settings: Settings) -> int:
    """Return how much private memory this worker may have, 0 for no limit.

    By default three quarters of what machine or container has; none where a GPU is used, whose
    driver reserves address space of its own accord.
    """
    if settings.worker_memory_bytes is not None:
        return settings.worker_memory_bytes
    if settings.device != "cpu" and _GPU.exists():
        return 0
    return int(_SHARE * min(_machine(), *_containers()))


def confine(settings: Settings) -> None:
    """Limit the private writable memory of this process, and of those that it starts.

    RLIMIT_DATA (setrlimit(2), Linux 4.7), not RLIMIT_AS: torch maps far more than it uses.
    """
    limit = memory_bytes(settings)
    if not limit:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    log.get().info("worker.confined", process="worker", count=limit)


def _machine() -> int:
    words = next(
        line
        for line in _MEMINFO.read_text(encoding="utf-8").splitlines()
        if line.startswith("MemTotal")
    )
    return int(words.split()[1]) << 10


def _containers() -> list[int]:
    """Return the limits of the container, if any; 'max' is none."""
    found = [file.read_text(encoding="utf-8").strip() for file in _CGROUPS if file.is_file()]
    return [int(text) for text in found if text.isdigit()] or [_machine()]
