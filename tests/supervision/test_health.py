"""What a node's answer, or its silence, is taken for; the peer is a real HTTP server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dicom_node.settings import Settings
from dicom_node.supervision import health
from dicom_node.supervision.health import Health
from tests.nodes import free_port

_PART = {"name": "ledger", "ok": True, "message": ""}
_SHADOW = {"name": "shadow", "ok": False, "message": "other weights"}
_UNFIT = {"name": "worker", "ok": False, "message": "no sign of life"}


@contextmanager
def answering(status: int, kind: str, body: str) -> Iterator[Settings]:
    """Serve one answer, whatever is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_arguments: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Settings(http_port=server.server_port, orthanc_url="")
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "body", "ready", "word"),
    [
        (200, "application/json", {"ready": True, "parts": [_PART]}, True, "ready"),
        (
            200,
            "application/json",
            {"parts": [_PART, _SHADOW]},
            True,
            "ready; shadow: other weights",
        ),
        (503, "application/json", {"parts": [_PART, _UNFIT]}, False, "worker: no sign of life"),
        (503, "application/problem+json", {"detail": "no API"}, False, "no API"),
        (503, "application/problem+json", {}, False, "503"),
        (200, "text/html", {}, False, "200"),
        (404, "text/html", {}, False, "404"),
    ],
)
def test_answer(status: int, kind: str, body: object, ready: bool, word: str) -> None:
    with answering(status, kind, json.dumps(body)) as settings:
        told = health.ask(settings)
    assert told.ready is ready
    assert word in told.message


def test_silence_is_not_ready() -> None:
    told = health.ask(Settings(http_port=free_port(), orthanc_url=""))
    assert told == Health(False, told.message)
    assert "does not answer" in told.message
