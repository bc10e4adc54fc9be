"""A plain client that calls an ASGI application in this process."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from dicom_node.api.app import create
from dicom_node.api.server import listen
from dicom_node.api.services import Services
from tests.nodes import NotYetError, eventually, free_port


class AsgiClient:
    """Sends each request through the whole application as nginx does, errors included."""

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.token = app.state.services.token

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        said = {"X-Node-Token": self.token, "X-Node-Uri": path, "X-Node-Method": method}
        async with httpx.AsyncClient(
            transport=self._transport, base_url="http://node", headers=said
        ) as client:
            return await client.request(method, path, **options)


@contextmanager
def serving_on_a_port(services: Services) -> Iterator[str]:
    """Serve the application on a port of this machine for the length of a block; yield its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    server = uvicorn.Server(uvicorn.Config(create(services), log_config=None, lifespan="off"))
    with closing(listen(url)) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            for attempt in eventually():
                with attempt:
                    if not server.started:
                        raise NotYetError("the server has not started")
            yield url
        finally:
            server.should_exit = True
            thread.join(30)
