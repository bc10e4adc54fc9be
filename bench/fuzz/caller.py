"""A DICOM caller that puts any bytes on the wire (PS3.8 9.3, PS3.7 9.3), which no library does.

One association, one presentation context, one message after another; each answer is read back.
"""

import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

APPLICATION: Final = b"1.2.840.10008.3.1.1.1"
VERIFICATION: Final = "1.2.840.10008.1.1"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ = 1, 2, 3
P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 4, 5, 6, 7
C_STORE_RQ, C_FIND_RQ, C_ECHO_RQ = 0x0001, 0x0020, 0x0030
_NO_DATA: Final = 0x0101
_COMMAND, _LAST = 1, 2
_PART: Final = 16_000
"""Bytes of an object in one PDU, as common modalities send them."""


class Ended(Exception):
    """The peer has ended the association, or refused it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom to call, under which title and from which address."""

    port: int
    host: str = "127.0.0.1"
    calling: str = "FUZZ"
    called: str = "AITRIAGE"
    source: str = "127.0.0.1"
    timeout_s: float = 60.0
    tls: ssl.SSLContext | None = None

    def connect(self) -> socket.socket:
        """Open a connection and say nothing."""
        plain = socket.create_connection(
            (self.host, self.port), self.timeout_s, source_address=(self.source, 0)
        )
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            return plain
        return self.tls.wrap_socket(plain, server_hostname=self.host)

    def associate(self, sop_class: str, syntaxes: Sequence[str] = (EXPLICIT,)) -> "Association":
        """Return an association with one context for each syntax; raise Ended where refused."""
        with ExitStack() as undo:
            connection = undo.enter_context(self.connect())
            connection.sendall(request(self, sop_class, syntaxes))
            contexts = _contexts(*received(connection), syntaxes)
            undo.pop_all()
        return Association(connection, sop_class, contexts)


def request(caller: Caller, sop_class: str, syntaxes: Sequence[str]) -> bytes:
    """Return an A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    contexts = b"".join(
        _item(0x20, bytes([2 * number + 1, 0, 0, 0]) + _item(0x30, sop_class.encode())
              + _item(0x40, syntax.encode()))
        for number, syntax in enumerate(syntaxes)
    )  # fmt: skip
    user = _item(0x51, struct.pack(">I", 1 << 16)) + _item(0x52, b"1.2.826.0.1.3680043.2.1143")
    fixed = struct.pack(">HH16s16s32x", 1, 0, caller.called.encode().ljust(16),
                        caller.calling.encode().ljust(16))  # fmt: skip
    return pdu(ASSOCIATE_RQ, fixed + _item(0x10, APPLICATION) + contexts + _item(0x50, user))


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    """Return a PDU whose length need not be true."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def fragment(context: int, content: bytes, *, command: bool, last: bool) -> bytes:
    """Return a P-DATA-TF with one fragment (PS3.8 9.3.5)."""
    header = (_COMMAND if command else 0) | (_LAST if last else 0)
    return pdu(P_DATA, struct.pack(">IBB", len(content) + 2, context, header) + content)


def command(field: int, message: int, sop_class: str, sop_instance: str = "") -> bytes:
    """Return a command set in Implicit VR Little Endian (PS3.7 6.3.1)."""
    has_data = field != C_ECHO_RQ
    elements = [
        (0x0002, _padded(sop_class)),
        (0x0100, struct.pack("<H", field)),
        (0x0110, struct.pack("<H", message)),
        *([(0x0700, struct.pack("<H", 0))] if has_data else []),
        (0x0800, struct.pack("<H", 0 if has_data else _NO_DATA)),
        *([(0x1000, _padded(sop_instance))] if sop_instance else []),
    ]
    body = b"".join(struct.pack("<HHI", 0, number, len(v)) + v for number, v in elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def received(connection: socket.socket) -> tuple[int, bytes]:
    """Return the type and body of the next PDU; raise Ended where none comes."""
    kind, length = struct.unpack(">BxI", _exactly(connection, 6))
    return kind, _exactly(connection, length)


class Association:
    """An association that has been accepted."""

    def __init__(
        self, connection: socket.socket, sop_class: str, contexts: dict[str, int | None]
    ) -> None:
        self.connection = connection
        self.contexts = contexts
        self._sop_class = sop_class
        self._message = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _value: object, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.release()
        self.connection.close()

    def store(self, sop_instance: str, content: bytes, syntax: str = EXPLICIT) -> int:
        """Send an object and return the status; raise Ended where the association ends."""
        for piece in self.pieces(C_STORE_RQ, sop_instance, content, syntax):
            self.send(piece)
        return self.status()

    def pieces(
        self,
        field: int,
        sop_instance: str,
        content: bytes,
        syntax: str = EXPLICIT,
        *,
        part: int = _PART,
    ) -> Iterator[bytes]:
        """Yield the PDUs of a request with an object."""
        context = self.contexts[syntax]
        if context is None:
            raise Ended(f"{syntax} is not accepted")
        self._message += 1
        said = command(field, self._message, self._sop_class, sop_instance)
        yield fragment(context, said, command=True, last=True)
        for at in range(0, max(len(content), 1), part):
            piece = content[at : at + part]
            yield fragment(context, piece, command=False, last=at + part >= len(content))

    def echo(self) -> int:
        """Return the status of a C-ECHO."""
        self._message += 1
        context = next(one for one in self.contexts.values() if one is not None)
        said = command(C_ECHO_RQ, self._message, VERIFICATION)
        self.send(fragment(context, said, command=True, last=True))
        return self.status()

    def send(self, content: bytes) -> None:
        """Put bytes on the wire; raise Ended where the peer takes none."""
        try:
            self.connection.sendall(content)
        except OSError as exc:
            raise Ended(f"while it was sent: {type(exc).__name__}") from exc

    def status(self) -> int:
        """Return the status of the next answer (PS3.7 C); raise Ended where none comes."""
        kind, body = received(self.connection)
        if kind != P_DATA:
            raise Ended(f"PDU {kind}")
        at = 6
        while at + 8 <= len(body):
            group, number, length = struct.unpack_from("<HHI", body, at)
            at += 8
            if (group, number) == (0x0000, 0x0900):
                return int(struct.unpack_from("<H", body, at)[0])
            at += length
        raise Ended("an answer without a status")

    def release(self) -> None:
        """End the association in good order; raise Ended where the peer does not."""
        self.send(pdu(RELEASE_RQ, bytes(4)))
        kind, _ = received(self.connection)
        if kind != RELEASE_RP:
            raise Ended(f"PDU {kind} instead of A-RELEASE-RP")


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _contexts(kind: int, body: bytes, syntaxes: Sequence[str]) -> dict[str, int | None]:
    """Return the presentation context of each syntax; raise Ended where there is no association."""
    if kind != ASSOCIATE_AC:
        raise Ended(f"PDU {kind}: {body.hex()}")
    return dict(zip(syntaxes, _accepted(body), strict=True))


def _accepted(body: bytes) -> Iterator[int | None]:
    """Yield the id of each presentation context, None where it is not accepted (PS3.8 9.3.3.2)."""
    at = 68
    while at + 4 <= len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        if kind == 0x21:  # noqa: PLR2004 (Presentation Context Item)
            yield body[at + 4] if body[at + 6] == 0 else None
        at += 4 + length


def _padded(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        try:
            new = connection.recv(size - len(parts))
        except TimeoutError as exc:
            raise Ended("no answer in time") from exc
        except OSError as exc:
            raise Ended(f"connection {type(exc).__name__}") from exc
        if not new:
            raise Ended("closed")
        parts += new
    return bytes(parts)
