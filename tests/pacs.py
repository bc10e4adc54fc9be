"""A PACS that a test can switch on and off."""

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
timeout_s = 2
"""


def destination(port: int) -> str:
    """Return the lines of node.toml that make a node send its reports to a `Pacs` at this port."""
    return _DESTINATION.format(port=port)


class Pacs:
    """A PACS that takes what it is sent, once it is on."""

    def __init__(self, port: int) -> None:
        self.received: list[Dataset] = []
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
        self.received.append(event.dataset)
        return 0x0000
