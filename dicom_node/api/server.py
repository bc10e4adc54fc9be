"""``python -m dicom_node.api.server``: the API process."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dicom_node import checkpoints, foreign, log, policy, settings
from dicom_node.api.app import create
from dicom_node.api.problems import problem
from dicom_node.api.services import Services
from dicom_node.api.watch import Watch
from dicom_node.archive.catalogue import OrthancCatalogue
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.errors import SettingsError
from dicom_node.intake.admission import Admission
from dicom_node.intake.broker import INTAKE_QUEUE, RUN_QUEUE
from dicom_node.intake.dispatch import Dispatcher
from dicom_node.intake.room import Room, Tally
from dicom_node.ledger import open_ledger
from dicom_node.settings import Settings
from dicom_node.supervision.home import Layout
from dicom_node.supervision.listeners import listen_unix, require_listener

_GRACE_S = 5


def main() -> None:
    """Serve until told to stop."""
    site = settings.load()
    log.configure(site.log_level)
    foreign.contain()
    checkpoints.enable(site.checkpoints)
    with wire(site) as services, closing(listen(site.api)) as listener:
        app = create(services)
        config = uvicorn.Config(
            app,
            http=Protocol,
            access_log=False,
            log_config=None,  # its own would print the words of an exception
            log_level=site.log_level.lower(),
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        log.get().info("api.started", pid=os.getpid())
        Server(config, app.state.watch).run(sockets=[listener])


class Protocol(H11Protocol):
    """Answers what is no HTTP, as a path with bytes beyond ASCII, as every other error."""

    def send_400_response(self, msg: str) -> None:
        """Send a problem, unless an answer is under way, and hang up."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = problem(HTTPStatus.BAD_REQUEST, msg, {})
            headers = [*answer.raw_headers, (b"connection", b"close")]
            head = h11.Response(status_code=answer.status_code, headers=headers)
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Server(uvicorn.Server):
    """Ends the streams of events first when told to stop: they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, watch: Watch) -> None:
        super().__init__(config)
        self._watch = watch

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is under way come to its end."""
        self._watch.close()
        await super().shutdown(sockets)


@contextmanager
def wire(site: Settings) -> Iterator[Services]:
    """Build the ports of the API from the settings, and close them at the end."""
    rules = policy.load(site.policy)
    token = site.internal_token
    if token is None:
        raise SettingsError(f"{site.token_file} is missing: dicom-node up makes it")
    with (
        closing(OrthancArchive.connect(site)) as archive,
        closing(OrthancCatalogue.connect(site)) as catalogue,
        closing(Dispatcher.connect(site.redis)) as dispatcher,
        closing(open_ledger(site.database, site.viewer_url)) as ledger,
    ):

        def orthanc() -> str:
            return f"version {archive.version()}"

        def redis() -> str:
            dispatcher.ping()
            return "answers"

        def dicom() -> str:
            for name, place in (("HAProxy", layout.orthanc_socket), ("relay", layout.dicom_socket)):
                require_listener(name, place)
            return "takes associations"

        layout = Layout.of(site)
        tally = Tally(layout.tally)

        def waiting() -> int:
            count = dispatcher.depth(RUN_QUEUE) + dispatcher.depth(INTAKE_QUEUE)
            tally.write(count)
            return count

        folders = layout.orthanc_storage, layout.home
        room = Room(folders, site.disk_reserve_bytes, waiting, site.queue_limit)
        room.watch()

        yield Services(
            ledger=ledger,
            admission=Admission(archive, ledger.studies, ledger.runs, dispatcher, rules),
            catalogue=catalogue,
            probes={
                "orthanc": orthanc,
                "redis": redis,
                **({"dicom": dicom} if site.takes_dicom else {}),
            },
            settings=site,
            policy=rules,
            room=room,
            token=token,
            look_up=archive.look_up,
        )


def listen(address: str) -> socket.socket:
    """Bind ``unix:PATH`` (for the owner alone) or ``http://host:port``.

    Raises SettingsError where that cannot be done.
    """
    try:
        if address.startswith("unix:"):
            return listen_unix(Path(address.removeprefix("unix:")))
        parts = urlsplit(address)
        return socket.create_server((parts.hostname or "", parts.port or 80))
    except (OSError, ValueError) as exc:
        raise SettingsError(f"the API cannot listen on {address}: {exc}") from exc


if __name__ == "__main__":
    main()
