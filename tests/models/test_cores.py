"""Threads follow what the process may use, not what the machine has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models import cores


def written(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="ascii")
    return folder


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu__max": "100000 100000\n"}, 1),
        ({"cpu__max": "50000 100000\n"}, 1),
        ({"cpu__cfs_quota_us": "100000\n", "cpu__cfs_period_us": "100000\n"}, 1),
        ({"cpu__max": "max 100000\n"}, None),
        ({"cpu__cfs_quota_us": "-1\n", "cpu__cfs_period_us": "100000\n"}, None),
        ({"cpu__max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_quota_bounds_the_cores(tmp_path: Path, files: dict[str, str], most: int | None) -> None:
    root = written(tmp_path / "cgroup", **files)
    own = len(os.sched_getaffinity(0))
    assert cores.usable(root, tmp_path / "none") == (own if most is None else min(own, most))


def test_quota_of_a_group_further_up_counts(tmp_path: Path) -> None:
    root = written(tmp_path / "cgroup")
    written(root / "system" / "node", cpu__max="max 100000")
    written(root / "system", cpu__max="100000 100000")
    own = tmp_path / "self"
    own.write_text("0::/system/node\n", encoding="ascii")
    assert cores.usable(root, own) == 1


def test_affinity_bounds_the_threads_of_torch() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from models import runtime; runtime.limit_threads();"
        "import torch; print(torch.get_num_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, timeout=300
    )
    assert done.stdout.strip() == "1"
