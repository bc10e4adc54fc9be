"""A plain client that calls an ASGI application in this process."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class AsgiClient:
    """Sends each request through the whole application as nginx does, errors included."""

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._token = app.state.services.token

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        said = {"X-Node-Token": self._token, "X-Node-Uri": path, "X-Node-Method": method}
        async with httpx.AsyncClient(
            transport=self._transport, base_url="http://node", headers=said
        ) as client:
            return await client.request(method, path, **options)
