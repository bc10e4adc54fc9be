"""An audit record repository that takes syslog over TLS (RFC 5425), on loopback."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lxml import etree

from tests.nodes import free_port

GRAMMAR = etree.RelaxNG(etree.parse(Path(__file__).parent / "audit" / "audit_message.rng"))


def ids(lines: list[str]) -> list[str]:
    """Return the user that each message names last; each must be a valid message."""
    found = []
    for text in lines:
        tree = etree.fromstring(text.partition("\ufeff")[2])
        GRAMMAR.assertValid(tree)
        found.append(tree.findall("ActiveParticipant")[-1].get("UserID") or "")
    return found


class Collector:
    """Takes frames from whoever shows a certificate that it trusts, while it is on."""

    def __init__(self, context: ssl.SSLContext, port: int = 0) -> None:
        self.port = port or free_port()
        self.lines: list[str] = []
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(20)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:  # it was switched off
                return
            plain.settimeout(20)
            with plain:
                try:
                    self._take(self._context.wrap_socket(plain, server_side=True))
                except OSError:  # somebody whom it does not trust
                    continue

    def _take(self, secure: ssl.SSLSocket) -> None:
        with secure, secure.makefile("rb") as stream:
            while length := _length(stream.read1):
                content = stream.read(length)
                assert len(content) == length
                self.lines.append(content.decode())
            secure.unwrap()


class Hasty(Collector):
    """Says that it closes before it has read anything, by an alert or by the end of its stream."""

    def __init__(self, context: ssl.SSLContext, *, alert: bool) -> None:
        super().__init__(context)
        self._alert = alert
        self._has_closed = threading.Event()
        self._may_go = threading.Event()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._may_go.set()
        super().__exit__(kind, exc, tb)

    def once_closed(self, *lines: str) -> list[str]:
        """Return lines that nobody gets to see before this has closed."""
        return _Later(lines, self._has_closed)

    def _take(self, secure: ssl.SSLSocket) -> None:
        with secure:
            if self._alert:
                secure.setblocking(False)
                with suppress(ssl.SSLWantReadError):  # the alert is out, the answer is not there
                    secure.unwrap()
            else:
                secure.shutdown(socket.SHUT_WR)
            self._has_closed.set()
            self._may_go.wait(20)


class _Later(list[str]):
    def __init__(self, lines: Iterable[str], event: threading.Event) -> None:
        super().__init__(lines)
        self._event = event

    def __iter__(self) -> Iterator[str]:
        assert self._event.wait(20)
        return super().__iter__()


def _length(read: Callable[[int], bytes]) -> int:
    """Read the digits before a frame; 0 at the end."""
    digits = b""
    while (byte := read(1)) and byte != b" ":
        digits += byte
    return int(digits or 0)
