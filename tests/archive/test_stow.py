"""STOW-RS against a real HTTP server that answers what a test wants."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dicom_node.archive.stow import StowDestination
from dicom_node.destination import DestinationSettings
from dicom_node.errors import DeliveryFailed, StoreRejected
from tests.pacs import SilentPacs

JSON = "application/dicom+json"
XML = "application/dicom+xml"
FAILED = b'{"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [272]}}]}}'


class Site(ThreadingHTTPServer):
    """A server that gives one answer to every object."""

    status, kind, body = 200, JSON, b"{}"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def destination(self) -> StowDestination:
        return stow(self.server_address[1])


class Handler(BaseHTTPRequestHandler):
    """Reads the object and answers."""

    server: Site

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        if self.server.kind:
            self.send_header("Content-Type", self.server.kind)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def stow(port: int, timeout_s: float = 30) -> StowDestination:
    url = f"http://127.0.0.1:{port}/dicom-web"
    return StowDestination(
        DestinationSettings(name="web", kind="stow", url=url, timeout_s=timeout_s)
    )


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        yield server
        server.shutdown()


def test_object_is_taken(site: Site, film: Path) -> None:
    site.destination().send(film)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_refusal_that_may_pass(site: Site, film: Path, status: int) -> None:
    site.status = status
    with pytest.raises(DeliveryFailed, match=str(status)):
        site.destination().send(film)


@pytest.mark.parametrize("status", [400, 401, 409, 415])
def test_refusal_that_will_not_pass(site: Site, film: Path, status: int) -> None:
    site.status = status
    with pytest.raises(StoreRejected, match=str(status)):
        site.destination().send(film)


def test_object_that_failed_by_itself_is_refused(site: Site, film: Path) -> None:
    site.body = FAILED
    with pytest.raises(StoreRejected, match="0x0110"):
        site.destination().send(film)


@pytest.mark.parametrize(
    ("kind", "body"),
    [(JSON, b"<html>"), (JSON, b"[1]"), (XML, b"no XML"), ("", b"words")],
)
def test_answer_that_is_none_is_tried_again(site: Site, film: Path, kind: str, body: bytes) -> None:
    site.kind, site.body = kind, body
    with pytest.raises(DeliveryFailed, match=r"no STOW-RS answer|JSONDecodeError"):
        site.destination().send(film)


def test_file_that_is_gone_or_none_is_told(site: Site, tmp_path: Path) -> None:
    page = tmp_path / "page.dcm"
    page.write_text("<html></html>", encoding="utf-8")
    for file in (page, tmp_path / "gone.dcm"):
        with pytest.raises(DeliveryFailed, match="cannot be read"):
            site.destination().send(file)


def test_silent_site_is_waited_for_as_long_as_the_setting_says(film: Path) -> None:
    silent = SilentPacs()
    with pytest.raises(DeliveryFailed, match="does not answer"):
        stow(silent.port, timeout_s=0.2).send(film)
    silent.close()
