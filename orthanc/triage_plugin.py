# SPDX-License-Identifier: AGPL-3.0-or-later
# Copyright (C) 2026 the dicom-node developers
"""Orthanc's side of the node: hand ids to the queue, pass requests on to the API process.

Runs inside Orthanc (orthanc-python 4.0 and later) and is thin on purpose: it decides nothing,
stores nothing and never fails a C-STORE. What it misses, reconcile finds in the change log.
"""

import base64
import binascii
from typing import Any
from urllib.parse import quote, unquote

import httpx

import orthanc
from dicom_node import log, settings
from dicom_node.domain import Trigger
from dicom_node.intake.dispatch import Dispatcher, Level

_SETTINGS = settings.load()
_PROXY_TIMEOUT_S = 30.0
_HOP_BY_HOP = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding", "x-node-user"}
)
_CHANGES = {
    orthanc.ChangeType.NEW_STUDY: Level.ORTHANC_STUDY,
    orthanc.ChangeType.STABLE_SERIES: Level.ORTHANC_SERIES,
}


def _client(api: str) -> httpx.Client:
    """Prepare the connection to the API process: a Unix socket, or another host."""
    if api.startswith("unix:"):
        transport = httpx.HTTPTransport(uds=api.removeprefix("unix:"))
        return httpx.Client(
            transport=transport, base_url="http://api", timeout=_PROXY_TIMEOUT_S, trust_env=False
        )
    return httpx.Client(base_url=api, timeout=_PROXY_TIMEOUT_S, trust_env=False)


def on_change(change: int, _level: int, resource: str) -> None:
    """Hand the id of a new study or a stable series to intake."""
    level = _CHANGES.get(change)
    if level is None:
        return
    try:
        _DISPATCHER.submit(level, resource, Trigger.STABLE)
    except Exception as exc:  # noqa: BLE001  # the outer boundary: reconcile picks it up
        log.get().warning("plugin.dispatch_failed", orthanc_id=resource, error=type(exc).__name__)


def forward(output: "orthanc.RestOutput", uri: str, **request: Any) -> None:  # noqa: ANN401
    """Pass a request on to the API process, and its answer back."""
    path = uri + "/" if uri in {"/ai", "/ohif"} else uri  # Orthanc strips the last slash
    try:
        answer = _API.request(
            request["method"],
            quote(path, safe="/"),
            params=[(k, unquote(v.replace("+", " "))) for k, v in request.get("get", {}).items()],
            headers=_headers(request.get("headers", {})),
            content=request.get("body", b""),
        )
    except Exception as exc:  # noqa: BLE001  # the outer boundary: Orthanc must not see it
        log.get().warning("plugin.api_unavailable", error=type(exc).__name__)
        _answer(output, 503, "application/problem+json", _UNAVAILABLE)
        return
    for name in ("cache-control", "etag", "location", "retry-after"):
        if name in answer.headers:
            output.SetHttpHeader(name.title(), answer.headers[name])
    kind = answer.headers.get("content-type", "application/octet-stream")
    _answer(output, answer.status_code, kind, answer.content)


_UNAVAILABLE = (
    b'{"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": '
    b'"The API process does not answer; it is restarted by itself. Reading goes on."}'
)


def _headers(given: dict[str, str]) -> dict[str, str]:
    """Return the request's headers with the acting user, whom Orthanc has authenticated."""
    kept = {name: value for name, value in given.items() if name.lower() not in _HOP_BY_HOP}
    credentials = kept.pop("authorization", "")
    return {**kept, "X-Node-User": quote(_user(credentials), safe="@. ")}


def _user(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "anonymous"
    try:
        return base64.b64decode(encoded).decode().partition(":")[0] or "anonymous"
    except (binascii.Error, UnicodeDecodeError):
        return "anonymous"


def _answer(output: "orthanc.RestOutput", status: int, kind: str, body: bytes) -> None:
    """Answer with any status; AnswerBuffer knows none but 200."""
    if status == httpx.codes.OK:
        output.AnswerBuffer(body, kind)
        return
    output.SetHttpHeader("Content-Type", kind)
    try:
        output.SendHttpStatus(status, body)
    except TypeError:  # orthanc-python before 5.0 takes text and its length in bytes
        output.SendHttpStatus(status, body.decode(errors="replace"), len(body))


log.configure(_SETTINGS.log_level)
_DISPATCHER = Dispatcher.connect(_SETTINGS.redis)
_API = _client(_SETTINGS.api)
orthanc.RegisterOnChangeCallback(on_change)
orthanc.RegisterRestCallback("/(ai|ohif)(/.*)?", forward)
