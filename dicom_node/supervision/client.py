"""Talks to the node's own supervisord over its socket."""

import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dicom_node.errors import NodeError

_TIMEOUT_S = 5.0
_UP = frozenset({"RUNNING"})


@dataclass(frozen=True, slots=True)
class Part:
    """One process as supervisord sees it; ``pid`` and ``uptime_s`` only while it lives."""

    name: str
    state: str
    pid: int | None
    uptime_s: int | None
    message: str
    log: str

    @property
    def is_up(self) -> bool:
        """Whether the process runs and has done so for longer than its start takes."""
        return self.state in _UP


class Supervisord:
    """The supervisord that listens on one socket, if any does."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def pid(self) -> int | None:
        """Return supervisord's process id, or None where nobody listens on the socket."""
        try:
            return int(self._call("supervisor.getPID"))
        except httpx.ConnectError:
            return None

    def parts(self) -> tuple[Part, ...]:
        """Return the processes in the order in which they start; none where it is down."""
        try:
            rows = self._call("supervisor.getAllProcessInfo")
        except httpx.ConnectError:
            return ()
        return tuple(_part(row) for row in rows)

    def stop_without_waiting(self, name: str) -> None:
        """Begin to stop one process."""
        self._call("supervisor.stopProcess", name, False)

    def shut_down(self) -> None:
        """Begin to stop every process, then supervisord itself."""
        self._call("supervisor.shutdown")

    def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401  # XML-RPC is untyped
        body = xmlrpc.client.dumps(arguments, method)  # type: ignore[arg-type]  # plain values
        transport = httpx.HTTPTransport(uds=str(self._socket))
        try:
            with httpx.Client(transport=transport, timeout=_TIMEOUT_S) as client:
                answer = client.post("http://supervisor/RPC2", content=body)
            answer.raise_for_status()
            # The peer is this user's own supervisord on a socket in a private folder.
            values, _ = xmlrpc.client.loads(answer.content)
        except httpx.ConnectError:
            raise
        except (httpx.HTTPError, xmlrpc.client.Error) as exc:
            raise NodeError(f"the node's supervisor did not answer {method}: {exc}") from exc
        return values[0]


def _part(row: dict[str, Any]) -> Part:
    pid = int(row["pid"]) or None
    return Part(
        name=str(row["name"]),
        state=str(row["statename"]),
        pid=pid,
        uptime_s=max(0, int(row["now"]) - int(row["start"])) if pid else None,
        message=str(row["spawnerr"]),
        log=str(row["stdout_logfile"]),
    )
