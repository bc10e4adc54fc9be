"""Talks to the node's own supervisord over its socket."""

import http.client
import socket
import xmlrpc.client  # nosec B411  # our own supervisord, over a socket of mode 0700
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_node.errors import NodeError

_TIMEOUT_S = 5.0
_START_S = 1
"""A process that has lived so long is up, if the node's health says so as well."""
_DIED = ("Exited too quickly", "Bad exit code")
"""What supervisord says of a process that died; all else says why there was none."""
_NOBODY = (FileNotFoundError, ConnectionRefusedError)


@dataclass(frozen=True, slots=True)
class Part:
    """One process as supervisord sees it; ``pid`` and ``uptime_s`` only while it lives.

    ``ended_at_s``: when it last ended, where supervisord has seen that.
    """

    name: str
    state: str
    pid: int | None
    uptime_s: int | None
    message: str
    log: str
    ended_at_s: int | None = None

    @property
    def is_up(self) -> bool:
        """Whether the process runs and has done so for longer than its start takes."""
        lives = self.uptime_s is not None and self.uptime_s >= _START_S
        return self.state == "RUNNING" or (self.state == "STARTING" and lives)

    @property
    def has_died(self) -> bool:
        """Whether the process ended by itself and has not been well for long since."""
        return self.state in {"BACKOFF", "EXITED", "FATAL"} or (
            self.state == "STARTING" and self.ended_at_s is not None
        )

    @property
    def could_not_be_started(self) -> bool:
        """Whether there was no process at all: ``message`` then says why."""
        return bool(self.message) and not self.message.startswith(_DIED) and not self.pid


class Supervisord:
    """The supervisord that listens on one socket, if any does."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def pid(self) -> int | None:
        """Return supervisord's process id, or None where nobody listens on the socket."""
        try:
            return int(self._call("supervisor.getPID"))
        except _NOBODY:
            return None

    def parts(self) -> tuple[Part, ...]:
        """Return the processes by name; none where supervisord is down."""
        try:
            rows = self._call("supervisor.getAllProcessInfo")
        except _NOBODY:
            return ()
        return tuple(_part(row) for row in rows)

    def stop_without_waiting(self, name: str) -> None:
        """Begin to stop one process; harmless where it does not run."""
        self._call("supervisor.stopProcessGroup", name, False)

    def shut_down(self) -> None:
        """Begin to stop every process, then supervisord itself."""
        self._call("supervisor.shutdown")

    def _call(self, method: str, *arguments: bool | str) -> Any:  # noqa: ANN401  # untyped
        try:
            with xmlrpc.client.ServerProxy(
                "http://supervisor/RPC2", transport=_UnixTransport(self._socket)
            ) as server:
                return getattr(server, method)(*arguments)
        except _NOBODY:
            raise
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as exc:
            raise NodeError(f"the node's supervisor did not answer {method}: {exc}") from exc


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket, with a time-out.

    The peer is this user's own supervisord, in a folder that nobody else may enter.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ANN401
        """Return the connection, not opened yet; `close` closes it."""
        connection = _UnixConnection(self._path)
        self._connection = host, connection
        return connection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


def _part(row: dict[str, Any]) -> Part:
    pid = int(row["pid"]) or None
    return Part(
        name=str(row["name"]),
        state=str(row["statename"]),
        pid=pid,
        uptime_s=max(0, int(row["now"]) - int(row["start"])) if pid else None,
        message=str(row["spawnerr"]),
        log=str(row["stdout_logfile"]),
        ended_at_s=int(row["stop"]) or None,
    )
