"""The way from Orthanc's HTTP port to the API process: what the plugin passes on, and back.

Runs inside Orthanc, whose embedded Python has httpx but none of the API's own packages.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote

import httpx

from dicom_node import log

_TIMEOUT_S: Final = 30.0
_HOP_BY_HOP: Final = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "x-node-user"}
)
_PASSED_BACK: Final = (
    "cache-control",
    "content-encoding",
    "content-security-policy",
    "etag",
    "location",
    "retry-after",
    "vary",
    "x-content-type-options",
)
_PLACES: Final = frozenset({"/ai", "/ohif"})
_UNAVAILABLE: Final = (
    b'{"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": '
    b'"The API process does not answer; it is restarted by itself. Reading goes on."}'
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API process answered; ``body`` is encoded as ``headers`` says."""

    status: int
    kind: str
    headers: Mapping[str, str]
    body: bytes


class Proxy:
    """Passes requests on with the acting user; safe to share between threads."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def connect(cls, api: str) -> Self:
        """Prepare the connection to the API process: ``unix:PATH`` or ``http://host:port``."""
        if api.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=api.removeprefix("unix:"))
            return cls(_client("http://api", transport))
        return cls(_client(api, None))

    def ask(
        self,
        method: str,
        uri: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        """Return the API's answer, or a 503 where there is none.

        ``query`` is still percent-encoded, as Debian's Orthanc hands it over.
        """
        request = self._client.build_request(
            method,
            quote(uri + "/" if uri in _PLACES else uri, safe="/"),  # Orthanc strips the last slash
            params=[(k, unquote(v.replace("+", " "))) for k, v in query.items()],
            headers=_with_user(headers),
            content=body,
        )
        try:
            answer = self._client.send(request, stream=True)
            try:
                content = b"".join(answer.iter_raw())  # compressed stays compressed
            finally:
                answer.close()
        except httpx.HTTPError as exc:
            log.get().warning("plugin.api_unavailable", error=type(exc).__name__)
            return Answer(503, "application/problem+json", {"retry-after": "5"}, _UNAVAILABLE)
        kind = answer.headers.get("content-type", "application/octet-stream")
        kept = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        return Answer(answer.status_code, kind, kept, content)


def _client(base_url: str, transport: httpx.BaseTransport | None) -> httpx.Client:
    return httpx.Client(
        base_url=base_url,
        transport=transport,
        timeout=_TIMEOUT_S,
        trust_env=False,
        headers={"Accept-Encoding": "identity"},  # unless the browser asks for another
    )


def _with_user(given: Mapping[str, str]) -> dict[str, str]:
    """Return the request's headers with the acting user, whom Orthanc has authenticated."""
    kept = {name.lower(): value for name, value in given.items()}
    credentials = kept.pop("authorization", "")
    kept = {name: value for name, value in kept.items() if name not in _HOP_BY_HOP}
    return {**kept, "X-Node-User": quote(_user(credentials), safe="@. ")}


def _user(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "anonymous"
    try:
        return base64.b64decode(encoded).decode().partition(":")[0] or "anonymous"
    except (binascii.Error, UnicodeDecodeError):
        return "anonymous"
