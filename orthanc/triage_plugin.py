# SPDX-License-Identifier: AGPL-3.0-or-later
# Copyright (C) 2026 the dicom-node developers
"""Orthanc's side of the node: hand ids to the queue, pass requests on to the API process.

Runs inside Orthanc (orthanc-python 4.0 and later) and is thin on purpose: it decides nothing,
stores nothing and fails a C-STORE only where the node has no room for it. What it misses,
reconcile finds in the change log.
"""

import json
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orthanc
from dicom_node import foreign, log, settings
from dicom_node.access.guard import Guard
from dicom_node.api.proxy import Answer, Proxy
from dicom_node.domain import Trigger
from dicom_node.intake.dispatch import Dispatcher, Level
from dicom_node.intake.room import Room
from dicom_node.supervision import opening

_SETTINGS = settings.load()
_NOT_THERE = (orthanc.ErrorCode.UNKNOWN_RESOURCE, orthanc.ErrorCode.INEXISTENT_ITEM)
_CHANGES = {
    orthanc.ChangeType.NEW_STUDY: Level.ORTHANC_STUDY,
    orthanc.ChangeType.STABLE_SERIES: Level.ORTHANC_SERIES,
}


def on_change(change: int, _level: int, resource: str) -> None:
    """Hand the id of a new study or a stable series to intake."""
    level = _CHANGES.get(change)
    if level is None:
        return
    try:
        _DISPATCHER.submit(level, resource, Trigger.STABLE)
    except Exception as exc:  # noqa: BLE001  # the outer boundary: reconcile picks it up
        log.get().warning("plugin.dispatch_failed", orthanc_id=resource, error=type(exc).__name__)


def take(instance: "orthanc.DicomInstance") -> int:
    """Answer a C-STORE: 0xA700 Out of Resources where there is no room."""
    return _ROOM.status(instance.GetInstanceSize())


def admit(uri: str, **request: Any) -> bool:  # noqa: ANN401
    """Let a request in or answer it with 403: every one, Orthanc's own paths included."""
    method, headers = request["method"], request["headers"]
    if not _GUARD.admits(uri, method, request["ip"], headers, request.get("get")):
        return False
    if method != orthanc.HttpMethod.POST or _GUARD.is_the_node(headers):
        return True  # a report that was worked out is stored on a disk that takes no images
    length = next((v for k, v in headers.items() if k.lower() == "content-length"), "")
    return _ROOM.admits(uri, int(length) if length.isdecimal() else 0)


def look_up(path: str, body: bytes) -> bytes:
    """Ask Orthanc from within, past the filter; empty where it knows no such thing."""
    try:
        return orthanc.RestApiPost(path, body) if body else orthanc.RestApiGet(path)
    except orthanc.OrthancException as exc:
        if exc.args[0] not in _NOT_THERE:
            raise
        return b""


def forward(output: "orthanc.RestOutput", uri: str, **request: Any) -> None:  # noqa: ANN401
    """Pass a request on to the API process, and its answer back."""
    answer = _PROXY.ask(
        request["method"],
        uri,
        request.get("get", {}),
        request.get("headers", {}),
        request.get("body", b""),
        address=_GUARD.address(),
    )
    for name, value in answer.headers.items():
        output.SetHttpHeader(name.title(), value)
    for cookie in answer.cookies:
        output.SetHttpHeader("Set-Cookie", cookie)  # adds, as Orthanc does with any name
    _answer(output, answer)


def _answer(output: "orthanc.RestOutput", answer: Answer) -> None:
    """Answer with any status; AnswerBuffer knows none but 200."""
    if answer.status == HTTPStatus.OK:
        output.AnswerBuffer(answer.body, answer.kind)
        return
    output.SetHttpHeader("Content-Type", answer.kind)
    try:
        output.SendHttpStatus(answer.status, answer.body)
    except TypeError:  # orthanc-python before 5.0 takes text and its length in bytes
        text = answer.body.decode(errors="replace")
        output.SendHttpStatus(answer.status, text, len(answer.body))


log.configure(_SETTINGS.log_level)
foreign.contain()
opening.enter(_SETTINGS)  # what it raises ends Orthanc before it listens
_DISPATCHER = Dispatcher.connect(_SETTINGS.redis)
_STORAGE = Path(json.loads(orthanc.GetConfiguration())["StorageDirectory"])
_ROOM = Room.of(_SETTINGS, _DISPATCHER, _STORAGE)
_ROOM.watch()
_GUARD = Guard.connect(_SETTINGS, look_up)
_PROXY = Proxy.connect(_SETTINGS)
orthanc.RegisterOnChangeCallback(on_change)
orthanc.RegisterIncomingCStoreInstanceFilter(take)
orthanc.RegisterIncomingHttpRequestFilter(admit)
orthanc.RegisterRestCallback("/(ai|ohif)(/.*)?", forward)
# Orthanc puts the script's folder first on the path.
orthanc.ExtendOrthancExplorer((Path(sys.path[0]) / "viewer" / "explorer.js").read_text())
