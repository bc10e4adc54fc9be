"""STOW-RS over TLS: only to the right server, which learns who we are."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from dicom_node.archive.stow import StowDestination
from dicom_node.destination import DestinationSettings
from dicom_node.errors import DeliveryFailed
from tests.certificates import Authority, Identity


class Web(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    received: ClassVar[list[int]]

    def do_POST(self) -> None:
        """Read one body and say that all is well."""
        length = int(self.headers["Content-Length"])
        self.received.append(len(self.rfile.read(length)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def web(authority: Authority, identity: Identity) -> Iterator[tuple[str, list[int]]]:
    """Serve HTTPS under ``identity`` and ask for a certificate of the authority."""

    class Handler(Web):
        received: ClassVar[list[int]] = []

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = authority.server(identity).wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/dicom-web", Handler.received
        finally:
            server.shutdown()
            thread.join(20)


def destination(url: str, ca: Authority | None, mine: Identity | None) -> StowDestination:
    settings = DestinationSettings(
        name="web",
        kind="stow",
        url=url,
        timeout_s=5,
        tls_ca_file=None if ca is None else ca.file,
        tls_certificate_file=None if mine is None else mine.certificate,
        tls_key_file=None if mine is None else mine.key,
    )
    return StowDestination(settings)


def test_delivery_with_certificates_of_both_sides(
    authority: Authority, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path / "other", "other").file))
    with web(authority, authority.issue("127.0.0.1")) as (url, received):
        destination(url, authority, authority.issue("node.example")).send(film)
    assert len(received) == 1


@pytest.mark.parametrize("fault", ["another CA", "another name", "no CA", "no certificate"])
def test_delivery_is_refused(authority: Authority, film: Path, tmp_path: Path, fault: str) -> None:
    other = Authority(tmp_path / "other", "other")
    theirs = authority.issue("web.example" if fault == "another name" else "127.0.0.1")
    ca = {"another CA": other, "no CA": None}.get(fault, authority)
    mine = None if fault == "no certificate" else authority.issue("node.example")
    with web(authority, theirs) as (url, received), pytest.raises(DeliveryFailed):
        destination(url, ca, mine).send(film)
    assert received == []


@pytest.mark.parametrize("given", ["tls_ca_file", "tls_certificate_file", "tls_key_file"])
def test_tls_to_an_address_without_it_is_refused(given: str) -> None:
    where = {"name": "web", "kind": "stow", "url": "http://pacs.example/dicom-web"}
    with pytest.raises(ValidationError, match="https"):
        DestinationSettings.model_validate({**where, given: "x"})
