"""How many cores this process may use: fewer than the machine has, in a container or a cpuset."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_OWN: Final = Path("/proc/self/cgroup")


def usable(root: Path = _ROOT, own: Path = _OWN) -> int:
    """Return the cores of the affinity mask, or as many as the cgroup's quota pays for; 1 at least.

    Half a core is rounded up: a thread needs one to run on.
    """
    return max(1, min(len(os.sched_getaffinity(0)), *_quotas(root, own), 1 << 16))


def _quotas(root: Path, own: Path) -> list[int]:
    """Return what each cgroup from this process's own up to the root allows."""
    found = [quota for folder in _folders(root, own) if (quota := _quota(folder)) is not None]
    return found or [1 << 16]


def _folders(root: Path, own: Path) -> Iterator[Path]:
    yield from (root, root / "cpu", root / "cpu,cpuacct")
    try:
        lines = own.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        inside = base / path.lstrip("/")
        yield from (one for one in (inside, *inside.parents) if one.is_relative_to(root))


def _quota(folder: Path) -> int | None:
    """Return the cores of one cgroup (version 2, else version 1); None without a limit."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return None
    if not quota.isdigit() or not period.isdigit() or not int(period):  # "max", -1
        return None
    return max(1, math.ceil(int(quota) / int(period)))
