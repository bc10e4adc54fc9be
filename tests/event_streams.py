"""A stream of events as a client reads it, and the API process' server around an application."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from dicom_node.api.server import Protocol, Server, listen

PATIENCE_S = 30


@dataclass
class Told:
    """One event."""

    mark: str
    data: dict[str, Any]

    @property
    def studies(self) -> list[str]:
        found: list[str] = self.data["studies"]
        return found


@dataclass
class EventReader:
    """Reads a stream on a thread of its own; ``raw`` is all that came."""

    status: int
    headers: httpx.Headers
    raw: bytearray = field(default_factory=bytearray)
    over: threading.Event = field(default_factory=threading.Event)
    _told: Queue[Told] = field(default_factory=Queue)

    def next(self) -> Told:
        """Wait for the next event."""
        return self._told.get(timeout=PATIENCE_S)

    def none_left(self) -> bool:
        try:
            self._told.get_nowait()
        except Empty:
            return True
        return False

    def wait_over(self) -> None:
        """Wait for the end of the stream."""
        assert self.over.wait(PATIENCE_S)

    def read(self, response: httpx.Response) -> None:
        text = ""
        try:
            for chunk in response.iter_raw():
                self.raw += chunk
                text += chunk.decode()
                while "\n\n" in text:
                    block, text = text.split("\n\n", 1)
                    lines = dict(line.split(": ", 1) for line in block.splitlines())
                    self._told.put(Told(lines["id"], json.loads(lines["data"])))
        except (httpx.TransportError, httpx.StreamError):
            pass  # the reader has gone
        finally:
            self.over.set()


@dataclass(frozen=True)
class ApiServer:
    """An application behind the API process' own server, on a Unix socket."""

    socket: Path
    token: str
    server: uvicorn.Server
    thread: threading.Thread

    def client(self, **options: Any) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.socket))
        headers = {"X-Node-Token": self.token, **options.pop("headers", {})}
        return httpx.Client(
            transport=transport, base_url="http://api", headers=headers, timeout=30, **options
        )

    @contextmanager
    def events(self, last: str | bytes = "", **options: Any) -> Iterator[EventReader]:
        """Open a stream; ``options`` are a client's."""
        headers = [(b"Last-Event-ID", last.encode() if isinstance(last, str) else last)]
        endless = httpx.Timeout(PATIENCE_S, read=None)
        with (
            self.client(**options) as client,
            client.stream(
                "GET", "/ai/events", headers=headers if last else None, timeout=endless
            ) as response,
        ):
            reader = EventReader(response.status_code, response.headers)
            thread = threading.Thread(target=reader.read, args=(response,))
            thread.start()
            yield reader
            stream = response.extensions["network_stream"]
            with suppress(OSError):  # the server has closed it first
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_S)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


@contextmanager
def serving(app: FastAPI, folder: Path, address: str = "") -> Iterator[ApiServer]:
    """Serve an application as the API process does, on a socket in ``folder`` by default."""
    path = folder / "api.sock"
    config = uvicorn.Config(
        app, http=Protocol, log_config=None, access_log=False, timeout_graceful_shutdown=60
    )
    server = Server(config, app.state.watch)
    listener = listen(address or f"unix:{path}")
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    api = ApiServer(path, app.state.services.token, server, thread)
    try:
        yield api
    finally:
        api.stop()
        listener.close()
