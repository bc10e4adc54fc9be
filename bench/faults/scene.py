"""A scratch node with everything that a fault needs around it."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.faults.holds import Holds
from dicom_node.errors import NodeError
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.settings import Settings
from dicom_node.supervision import health, lifecycle
from dicom_node.supervision.client import Part
from dicom_node.supervision.home import Layout
from tests.nodes import LiveNode, NotYetError, eventually, free_port
from tests.pacs import Pacs, destination

VISIBILITY_S = 20.0
"""What the harness sets NODE_VISIBILITY_S to, so that Redis is soon away for longer than that."""


@dataclass(frozen=True)
class Ports:
    """The three ports of a scratch node; from ``first`` on, or whichever are free."""

    http: int
    dicom: int
    pacs: int

    @classmethod
    def choose(cls, first: int | None) -> "Ports":
        """Return three ports."""
        if first is None:
            return cls(free_port(), free_port(), free_port())
        return cls(first, first + 1, first + 2)


@dataclass(frozen=True)
class Scene:
    """A running node, its ledger seen from outside, a PACS beside it, and the points."""

    node: LiveNode
    settings: Settings
    ledger: Ledger
    pacs: Pacs
    holds: Holds

    def pid(self, part: str) -> int:
        """Return the process id of a part of the node, once it runs."""
        for attempt in eventually():
            with attempt:
                pids = {p.name: p.pid for p in self._parts() if p.pid}
                if part not in pids:
                    raise NotYetError(f"{part} does not run")
        return pids[part] or 0

    def kill(self, part: str) -> None:
        """Kill -9 a part with all its children; ``supervisord`` is a part here."""
        if part == "supervisord":
            os.kill(self._supervisor(), signal.SIGKILL)
        else:
            os.killpg(self.pid(part), signal.SIGKILL)

    def well(self) -> str:
        """Return what is amiss with the node; empty where nothing is."""
        try:
            ready, amiss = lifecycle.verdict(self._parts(), health.ask(self.settings))
        except NodeError as exc:
            return str(exc)
        return "" if ready else amiss or "not ready"

    def wait_well(self, deadline_s: float) -> float:
        """Wait until every part is up and ready; return the seconds that took."""
        started = time.monotonic()
        for attempt in eventually(deadline_s):
            with attempt:
                amiss = self.well()
                if amiss:
                    raise NotYetError(amiss)
        return time.monotonic() - started

    def _supervisor(self) -> int:
        return int(Layout.of(self.settings).supervisor_pid_file.read_text(encoding="utf-8"))

    def _parts(self) -> tuple[Part, ...]:
        return lifecycle.state(self.settings)


@contextmanager
def opened(home: Path, ports: Ports, environment: Mapping[str, str]) -> Iterator[Scene]:
    """Start a scratch node in ``home`` and end it afterwards, whatever happened."""
    home.mkdir(parents=True, exist_ok=True)
    holds = Holds(home / "checkpoints")
    variables = {
        **os.environ,
        "NODE_CHECKPOINTS": str(holds.folder),
        "NODE_VISIBILITY_S": str(VISIBILITY_S),
        **environment,
    }
    node = LiveNode(home, ports.http, ports.dicom, ports.pacs, variables)
    (home / "node.toml").write_text(destination(ports.pacs), encoding="utf-8")
    pacs = Pacs(ports.pacs)
    pacs.on()
    try:
        node.up()
        settings = node.settings()
        with closing(open_ledger(settings.database)) as ledger:
            yield Scene(node, settings, ledger, pacs, holds)
    finally:
        node.down()
        pacs.off()
