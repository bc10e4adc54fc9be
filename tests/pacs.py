"""A PACS that a test can switch on and off, and one that is silent."""

import socket
import threading

from pydicom import Dataset
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.events import Event
from pynetdicom.transport import ThreadedAssociationServer

_DESTINATION = """
[[destinations]]
name = "pacs"
kind = "dimse"
host = "127.0.0.1"
port = {port}
ae_title = "PACS"
timeout_s = {timeout_s}
"""


def destination(port: int, timeout_s: int = 2) -> str:
    """Return the lines of node.toml that make a node send its reports to a `Pacs` at this port."""
    return _DESTINATION.format(port=port, timeout_s=timeout_s)


class Pacs:
    """A PACS that takes what it is sent, once it is on."""

    def __init__(self, port: int) -> None:
        self.received: list[Dataset] = []
        self.status = 0x0000
        self._port = port
        self._entity = AE("PACS")
        self._entity.supported_contexts = StoragePresentationContexts
        self._server: ThreadedAssociationServer | None = None

    def on(self) -> None:
        self._server = self._entity.start_server(
            ("127.0.0.1", self._port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )

    def off(self) -> None:
        if self._server is not None:
            self._server.shutdown()

    def _take(self, event: Event) -> int:
        if self.status == 0x0000:
            self.received.append(event.dataset)
        return self.status


class SilentPacs:
    """A PACS that accepts every connection and never says a word."""

    def __init__(self, port: int = 0) -> None:
        self.called = threading.Event()
        self._callers: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """Hang up on everybody who has called."""
        while self._callers:
            self._callers.pop().close()

    def close(self) -> None:
        """Take no more calls, and hang up."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()
        self.hang_up()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:  # closed
                return
            self._callers.append(caller)
            self.called.set()
