"""``python -m dicom_node.relay.server``: the relay between the DICOM door and Orthanc.

Orthanc's parser dies of a data set that nests too deeply, and with it everybody's association. So
each data set is looked at while it passes. One that is not built as it should be is refused with a
status: Orthanc, which has had a part of it, loses the connection, the caller keeps the association
and goes on with another one to Orthanc. A caller who only drips is cut off.
"""

import asyncio
import os
import signal
import socket
from typing import Final
from urllib.parse import urlsplit

from dicom_node import foreign, log, settings
from dicom_node.relay.commitment import Commitments
from dicom_node.relay.conversation import Conversation, Orthanc
from dicom_node.supervision.home import Layout
from dicom_node.supervision.listeners import listen_unix

_LOOK_S: Final = 1.0


async def serve(listener: socket.socket, orthanc: Orthanc, commitments: Commitments) -> None:
    """Relay until told to stop; look once a second at who keeps Orthanc waiting."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    under_way: set[Conversation] = set()
    server = await loop.create_unix_server(
        lambda: Conversation(orthanc, commitments, under_way), sock=listener
    )
    looking = asyncio.create_task(_look(under_way))
    log.get().info("relay.started", pid=os.getpid())
    await over.wait()
    looking.cancel()
    server.close()


async def _look(under_way: set[Conversation]) -> None:
    while True:
        await asyncio.sleep(_LOOK_S)
        for conversation in list(under_way):
            conversation.look()


def main() -> None:
    """Serve until told to stop."""
    site = settings.load()
    log.configure(site.log_level)
    foreign.contain()
    host = urlsplit(site.orthanc).hostname or ""
    listener = listen_unix(Layout.of(site).dicom_socket)
    orthanc = Orthanc(host, site.orthanc_dicom_port)
    asyncio.run(serve(listener, orthanc, Commitments.of(site)))


if __name__ == "__main__":
    main()
