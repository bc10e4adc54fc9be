"""Another machine: a network namespace that is joined to this one by a cable of two ends."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.conftest import missing_tool

HERE = "10.231.77.1"
THERE = "10.231.77.2"


@dataclass(frozen=True)
class OtherMachine:
    """A machine at `THERE` that reaches this one at `HERE`."""

    name: str

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it."""
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *command],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def scan(self, *ports: int) -> dict[int, str]:
        """Return what nmap makes of ports of this machine: open, closed or filtered."""
        wanted = ",".join(map(str, ports))
        done = self.run("nmap", "-Pn", "-n", "-oG", "-", "-p", wanted, HERE)
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
    _ip("netns", "add", name)
    try:
        _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        _ip("addr", "add", f"{HERE}/30", "dev", ours)
        _ip("link", "set", ours, "up")
        _ip("-n", name, "addr", "add", f"{THERE}/30", "dev", theirs)
        _ip("-n", name, "link", "set", theirs, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield OtherMachine(name)
    finally:
        _ip("netns", "delete", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)
