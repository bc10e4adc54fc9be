"""Who listens on a TCP port."""

import errno
import socket

import psutil

from dicom_node.errors import SettingsError


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port on every interface.

    Raises SettingsError where this user may not use the port at all.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))  # as Orthanc will
            probe.listen(1)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            raise SettingsError(f"port {port} cannot be used: {exc.strerror}") from exc
    return True


def holder(port: int) -> str:
    """Name the process that listens on this port, as far as this user may know."""
    for connection in psutil.net_connections(kind="tcp"):
        address = connection.laddr
        if connection.status != psutil.CONN_LISTEN or not address or address.port != port:
            continue
        if connection.pid is None:
            return "a process of another user"
        try:
            return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
        except psutil.NoSuchProcess:
            return f"process {connection.pid}, which has just ended"
    return "a process that cannot be seen from here"


def require_free(port: int, use: str, variable: str) -> None:
    """Raise SettingsError that says who has the port and what to do."""
    if not is_free(port):
        raise SettingsError(
            f"{use} port {port} is taken by {holder(port)}: end it, or choose another port, for "
            f"example {variable}={port + 1000 if port + 1000 < 1 << 16 else port - 1000}"
        )
