"""Syslog over TLS: RFC 5424 messages in RFC 5425 frames, as PS3.15 A.6 asks.

No library of Python's delivers this: those that there are sit behind `logging`, which drops what it
cannot send (docs/decisions/0012-audit.md).
"""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dicom_node.errors import DeliveryFailed

_TIMEOUT_S: Final = 10.0
_PRIORITY: Final = 10 * 8 + 5
"""Facility 10, security and authorization; severity 5, normal but significant (PS3.15 A.6)."""

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

        Syslog knows no acknowledgement. TLS does: the collector closes its side after it has read
        all that came before our closing alert (RFC 5246 7.2.1). Otherwise all is sent again.
        """
        try:
            with (
                socket.create_connection((self.host, self.port), _TIMEOUT_S) as plain,
                self._context().wrap_socket(plain, server_hostname=self.host) as secure,
            ):
                for message in messages:
                    secure.sendall(frame(message))
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


def _close(secure: ssl.SSLSocket) -> None:
    """Say that this was all, and wait until the collector says so too.

    Some close the connection without a closing alert of their own. That is as good: whoever has
    not read everything resets it, which raises.
    """
    try:
        secure.unwrap()
    except ssl.SSLEOFError:
        return
