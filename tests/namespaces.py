"""Another machine: a network namespace that is joined to this one by a cable of two ends."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address

from tests.conftest import missing_tool

_BENCHMARKS = IPv4Address("198.18.0.0")
"""No site's own: 198.18.0.0/15 is for tests of networks (RFC 2544)."""
_CABLES = 1 << 15
"""Cables of four addresses for which there is room."""


@dataclass(frozen=True)
class OtherMachine:
    """A machine that reaches this one at ``here``."""

    name: str
    here: str

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it."""
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            env={**os.environ, **variables},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def scan(self, *ports: int) -> dict[int, str]:
        """Return what nmap makes of ports of this machine: open, closed or filtered."""
        wanted = ",".join(map(str, ports))
        done = self.run("nmap", "-Pn", "-n", "-oG", "-", "-p", wanted, self.here)
        line = next(line for line in done.stdout.splitlines() if "Ports:" in line)
        entries = line.partition("Ports: ")[2].partition("\t")[0].split(", ")
        return {int(entry.split("/")[0]): entry.split("/")[1] for entry in entries}


@contextmanager
def other_machine() -> Iterator[OtherMachine]:
    """Make the machine for the length of a block; needs root."""
    if os.geteuid() != 0:
        missing_tool("only root may make a network namespace")
    for tool in ("ip", "nmap"):
        if shutil.which(tool) is None:
            missing_tool(f"{tool} is not installed")
    name = f"node-{os.getpid()}"
    ours, theirs = f"nh{os.getpid()}", f"nt{os.getpid()}"
    first = _BENCHMARKS + 4 * (os.getpid() % _CABLES)
    here, there = str(first + 1), str(first + 2)
    _ip("netns", "add", name)
    try:
        _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        _ip("addr", "add", f"{here}/30", "dev", ours)
        _ip("link", "set", ours, "up")
        _ip("-n", name, "addr", "add", f"{there}/30", "dev", theirs)
        _ip("-n", name, "link", "set", theirs, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield OtherMachine(name, here)
    finally:
        _ip("netns", "delete", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)
