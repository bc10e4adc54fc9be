"""The way from Orthanc's HTTP port to the API process: what the plugin passes on, and back.

Runs inside Orthanc, whose embedded Python has httpx but none of the API's own packages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote

import httpx

from dicom_node import log
from dicom_node.access.guard import TOKEN_HEADER, api_client, speaks_for_the_node
from dicom_node.settings import Settings

_TIMEOUT_S: Final = 30.0
_HOP_BY_HOP: Final = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
)
_OURS: Final = "x-node-"
"""Headers of this name are said between plugin and API alone, whatever a client sends."""

_PASSED_BACK: Final = (
    "allow",
    "cache-control",
    "content-encoding",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "etag",
    "location",
    "referrer-policy",
    "retry-after",
    "strict-transport-security",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
)
_PLACES: Final = frozenset({"/ai", "/ohif"})
_UNAVAILABLE: Final = (
    b'{"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": '
    b'"The API process does not answer; it is restarted by itself. Reading goes on."}'
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API process answered; ``body`` is encoded as ``headers`` says.

    ``cookies`` are lines of Set-Cookie, the one header that cannot be joined (RFC 6265 3).
    """

    status: int
    kind: str
    headers: Mapping[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()


class Proxy:
    """Passes requests on as the plugin's own; safe to share between threads."""

    def __init__(self, client: httpx.Client, token: str) -> None:
        self._client = client
        self._token = token

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Prepare the connection to the API process."""
        return cls(api_client(settings, _TIMEOUT_S), settings.internal_token or "")

    def ask(
        self,
        method: str,
        uri: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        *,
        address: str,
    ) -> Answer:
        """Return the API's answer, or a 503 where there is none.

        ``query`` is still percent-encoded, as Debian's Orthanc hands it over. ``address`` is
        that of whoever sent the request.
        """
        request = self._client.build_request(
            method,
            quote(uri + "/" if uri in _PLACES else uri, safe="/"),  # Orthanc strips the last slash
            params=[(k, unquote(v.replace("+", " "))) for k, v in query.items()],
            headers=self._vouched(headers, address),
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
        cookies = tuple(answer.headers.get_list("set-cookie"))
        return Answer(answer.status_code, kind, kept, content, cookies)

    def _vouched(self, given: Mapping[str, str], address: str) -> httpx.Headers:
        """Return the request's headers with what the API takes from the plugin alone.

        In UTF-8: Orthanc hands values over as text, and httpx by itself would send ASCII alone.
        """
        sent = {name.lower(): value for name, value in given.items()}
        machine = "yes" if speaks_for_the_node(sent, self._token) else ""
        kept = {
            name: value
            for name, value in sent.items()
            if name not in _HOP_BY_HOP and not name.startswith(_OURS)
        }
        ours = {
            TOKEN_HEADER: self._token,
            "x-node-address": address,
            "x-node-host": sent.get("host", ""),
            "x-node-machine": machine,
        }
        return httpx.Headers(kept | ours, encoding="utf-8")
