"""The way through to Orthanc for what people send and fetch: streamed, and remembering nothing.

Each request has a connection of its own and there is no client behind it that could keep a cookie:
nothing that one request said is known to the next.
"""

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Final

import httpx

from dicom_node.errors import ArchiveAway, ArchiveUnavailable
from dicom_node.settings import Settings

_TIMEOUT: Final = {"connect": 5.0, "read": 600.0, "write": 60.0, "pool": 5.0}
"""An archive of a large study takes minutes before its first byte."""


class Gateway:
    """Asks this node's Orthanc under the node's own account; safe to share."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _authorization(self) -> Mapping[str, str]:
        credentials = self._settings.orthanc_credentials
        if credentials is None:
            return {}
        words = ":".join(credentials).encode()
        return {"Authorization": f"Basic {base64.b64encode(words).decode('ascii')}"}

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | AsyncIterator[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Yield Orthanc's answer, whatever its status, before its body has been read.

        ``path`` is percent-encoded. Raises ArchiveUnavailable.
        """
        request = httpx.Request(
            method,
            f"{self._settings.orthanc}{path}",
            headers={**self._authorization, "Accept-Encoding": "identity", **(headers or {})},
            content=content,
            extensions={"timeout": _TIMEOUT},
        )
        async with httpx.AsyncHTTPTransport(trust_env=False) as transport:
            try:
                answer = await transport.handle_async_request(request)
            except httpx.ConnectError as exc:
                raise ArchiveAway("Orthanc is away; its log tells why") from exc
            except httpx.HTTPError as exc:
                raise _no_answer(exc) from exc
            answer.request = request
            try:
                yield answer
            except httpx.HTTPError as exc:  # in the middle of its body
                raise _no_answer(exc) from exc
            finally:
                await answer.aclose()


def _no_answer(exc: httpx.HTTPError) -> ArchiveUnavailable:
    return ArchiveUnavailable(f"Orthanc does not answer: {type(exc).__name__}")
