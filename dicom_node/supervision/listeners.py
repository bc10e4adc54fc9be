"""Who listens on a TCP port or a Unix socket, and listening on one."""

import errno
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import psutil

from dicom_node.errors import ArchiveUnavailable, SettingsError
from dicom_node.settings import LOOPBACK, Settings

_PROBE_S: Final = 2


def is_free(port: int, address: IPv4Address = LOOPBACK) -> bool:
    """Tell whether a server could listen on this port of this address, as the node will.

    Raises SettingsError where this user may not use the port, or the machine has no such address.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(address), port))
            probe.listen(1)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            raise SettingsError(
                f"port {port} of {address} cannot be used: {exc.strerror}; see NODE_BIND_ADDRESS"
            ) from exc
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


def require_free(settings: Settings) -> None:
    """Raise SettingsError that says who has one of the ports and what to do."""
    for use, port, address in doors(settings):
        require_port(port, use, address)
    if not settings.orthanc_url:
        require_port(settings.orthanc_http_port, "ORTHANC_HTTP", settings.orthanc_address)
        require_port(settings.orthanc_dicom_port, "ORTHANC_DICOM", settings.orthanc_address)


def doors(settings: Settings) -> Iterator[tuple[str, int, IPv4Address]]:
    """Yield use, port and address of each port at which others knock."""
    yield "HTTP", settings.http_port, settings.http_address
    if settings.https_certificate_file is not None:
        yield "HTTPS", settings.https_port, settings.listen_address
    if not settings.orthanc_url:
        yield "DICOM", settings.dicom_port, settings.listen_address


def require_port(port: int, use: str, address: IPv4Address = LOOPBACK) -> None:
    """Raise SettingsError that says who has the port and what to do."""
    variable = f"NODE_{use}_PORT"
    if not is_free(port, address):
        raise SettingsError(
            f"{use} port {port} is taken by {holder(port)}: end it, or choose another port, for "
            f"example {variable}={port + 1000 if port + 1000 < 1 << 16 else port - 1000}"
        )


def strays(pid: int, address: IPv4Address) -> tuple[str, ...]:
    """Return where a process listens beside ``address``, as ``host:port``; none where it is ours.

    A process that has just ended listens nowhere.
    """
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.NoSuchProcess:
        return ()
    listening = [c.laddr for c in connections if c.status == psutil.CONN_LISTEN and c.laddr]
    ours = {str(address), f"::ffff:{address}"}
    return tuple(f"{local.ip}:{local.port}" for local in listening if local.ip not in ours)


def listen_unix(place: Path) -> socket.socket:
    """Listen on a Unix socket for this user alone, in the place of one that was left behind."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(place))
    place.chmod(0o600)
    listener.listen()
    return listener


def require_listener(name: str, place: Path) -> None:
    """Raise ArchiveUnavailable unless a process of the DICOM door listens on this Unix socket."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_S)
            probe.connect(str(place))
    except OSError as exc:
        raise ArchiveUnavailable(
            f"no image can be sent to the DICOM port: {name} does not listen"
        ) from exc
