"""A node with little of everything: a small disk, a short queue, few attempts, little patience."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.faults.holds import Holds
from dicom_node import policy
from dicom_node.supervision.home import Layout
from tests.conftest import missing_tool
from tests.disks import may_mount, small_disk
from tests.nodes import LiveNode

MIB = 1 << 20
DISK_MIB, RESERVE_MIB = 384, 64
QUEUE_LIMIT = 40
TIME_LIMIT_S = 45  # the longest CT takes more than 28 on a loaded machine
MEMORY_MIB = 3072
ATTEMPTS = 2
_POLICY = {
    "attempts = 5": f"attempts = {ATTEMPTS}",
    "worker_deaths = 3": f"worker_deaths = {ATTEMPTS}",
    "first_delay_s = 2": "first_delay_s = 0.2",
    "seconds = 30": "seconds = 4",
    "rise_s = 600": "rise_s = 8",
    "ct_deadline_s = 45": "ct_deadline_s = 8",
}
_RULES = """
[[urgency.rules]]
sender = "ER_*"
urgency = "STAT"
[[urgency.rules]]
sender = "WARD"
urgency = "HIGH"
[[urgency.rules]]
sender = "SCREENING"
urgency = "LOW"
"""
_NODE = f"""
policy = "{{home}}/policy.toml"
checkpoints = "{{home}}/checkpoints"
disk_reserve_bytes = {RESERVE_MIB * MIB}
queue_limit = {QUEUE_LIMIT}
run_time_limit_s = {TIME_LIMIT_S}
worker_memory_bytes = {MEMORY_MIB * MIB}
"""


@contextmanager
def small_node(home: Path) -> Iterator[LiveNode]:
    """Start a node whose images lie on a small tmpfs; it takes a superuser to mount one."""
    rules = policy.DEFAULT_FILE.read_text(encoding="utf-8")
    for old, new in _POLICY.items():
        assert old in rules
        rules = rules.replace(old, new)
    (home / "policy.toml").write_text(rules + _RULES, encoding="utf-8")
    (home / "node.toml").write_text(_NODE.format(home=home), encoding="utf-8")
    node = LiveNode.at(home)
    if not may_mount():
        missing_tool("a small disk can be mounted by root alone")
    with small_disk(images(node), DISK_MIB), node.running():
        yield node


def emptied(node: LiveNode) -> LiveNode:
    """Delete the images of the tests before, which fill the small disk; return the node."""
    for study in node.get("/studies").json():
        node.delete(f"/studies/{study}")
    return node


def holds(node: LiveNode) -> Holds:
    """Return what holds a small node's processes at points of a study's way."""
    return Holds(node.home / "checkpoints")


def images(node: LiveNode) -> Path:
    """Return the folder in which a node's Orthanc keeps its images."""
    return Layout.of(node.settings()).orthanc_storage


def readers(node: LiveNode) -> list[psutil.Process]:
    """Return the processes that read studies: the children of the worker."""
    worker = psutil.Process(node.parts()["worker"])
    return [child for child in worker.children() if child.is_running()]


def peak_mib(process: int) -> int:
    """Return the most memory that a process has ever held."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024
