"""Syslog over TLS: RFC 5424 messages in RFC 5425 frames, as PS3.15 A.6 asks.

No library of Python's delivers this: those that there are sit behind `logging`, which drops what it
cannot send (docs/decisions/0012-audit.md).
"""

import fcntl
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dicom_node.errors import DeliveryFailed

_TIMEOUT_S: Final = 10.0
_PRIORITY: Final = 10 * 8 + 5
"""Facility 10, security and authorization; severity 5, normal but significant (PS3.15 A.6)."""

_LOOK_MS: Final = 20
_BYTE_ORDER_MARK: Final = "\ufeff"
_MESSAGE_ID: Final = "DICOM+RFC3881"


@dataclass(frozen=True, slots=True)
class Collector:
    """An audit record repository, and how to know it; ours is the certificate, if it asks."""

    host: str
    port: int
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def send(self, messages: Sequence[str]) -> None:
        """Send messages over one connection; raises DeliveryFailed where one may be lost.

        Syslog knows no acknowledgement. What stands for one: the collector's machine has taken
        every byte while the collector had not closed, and the collector then answers our closing
        alert (RFC 5246 7.2.1) or closes. Otherwise all is sent again.
        """
        try:
            with (
                socket.create_connection((self.host, self.port), _TIMEOUT_S) as plain,
                self._context().wrap_socket(plain, server_hostname=self.host) as secure,
            ):
                for message in messages:
                    secure.sendall(frame(message))
                _await_taken(secure)
                _close(secure)
        except OSError as exc:  # ssl.SSLError is one
            raise DeliveryFailed(
                f"the audit collector {self.host}:{self.port} does not take the trail: "
                f"{type(exc).__name__}: {exc}"
            ) from exc

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca_file)
        # In TLS 1.3 a collector refuses our certificate only after we have sent the trail, and
        # OpenSSL's shutdown takes that alert for a closing one: entries would count as delivered.
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_file is not None:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context


def line(at: datetime, host: str, process_id: int, text: str) -> str:
    """Return an RFC 5424 message: header, no structured data, UTF-8 text."""
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = "".join(c for c in host if "!" <= c <= "~")[:255] or "-"
    header = f"<{_PRIORITY}>1 {time} {name} dicom-node {process_id} {_MESSAGE_ID} -"
    return f"{header} {_BYTE_ORDER_MARK}{text}"


def frame(message: str) -> bytes:
    """Return the message behind its length in bytes (RFC 5425 4.3)."""
    content = message.encode()
    return f"{len(content)} ".encode() + content


def _await_taken(secure: ssl.SSLSocket) -> None:
    """Wait until every byte is acknowledged; raise OSError where the peer closes before that.

    In TLS 1.2 a collector has nothing to say after the handshake: whatever can be read now is its
    closing alert, another alert or the end, sent before it has read all that we sent.
    """
    poller = select.poll()
    poller.register(secure.fileno(), select.POLLIN)
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        queued = _unacknowledged(secure)
        if poller.poll(_LOOK_MS if queued else 0):
            raise ConnectionAbortedError("it closed before it had read everything")
        if not queued:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"it has not acknowledged {queued} bytes")


def _unacknowledged(secure: ssl.SSLSocket) -> int:
    """Return how many bytes wait in the kernel's send queue (SIOCOUTQ, tcp(7))."""
    answer = fcntl.ioctl(secure.fileno(), termios.TIOCOUTQ, bytes(4))
    return int(struct.unpack("i", answer)[0])


def _close(secure: ssl.SSLSocket) -> None:
    """Say that this was all, and wait until the collector says so too.

    Some close the connection without a closing alert of their own. That is as good: whoever has
    not read everything resets it, which raises.
    """
    try:
        secure.unwrap()
    except ssl.SSLEOFError:
        return
