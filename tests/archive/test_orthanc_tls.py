"""An Orthanc of the site's behind HTTPS: believed where the site's own authority vouches for it."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.errors import ArchiveUnavailable, SettingsError
from dicom_node.settings import Settings
from tests.certificates import Authority


class Handler(BaseHTTPRequestHandler):
    """Says what it is, to everybody."""

    def do_GET(self) -> None:
        body = b'{"Version": "1.10.1", "parts": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def url(authority: Authority) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        tls = authority.server(authority.issue("127.0.0.1"))
        tls.verify_mode = ssl.CERT_NONE  # of the client
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(20)


def settings(home: Path, url: str, ca: Path | None) -> Settings:
    return Settings(home=home, orthanc_url=url, orthanc_ca_file=ca)


def test_orthanc_is_believed_by_the_sites_authority_alone(
    authority: Authority, url: str, tmp_path: Path
) -> None:
    ours = settings(tmp_path, url, authority.file)
    with closing(OrthancArchive.connect(ours)) as archive:
        assert archive.version() == "1.10.1"
    for ca in (None, Authority(tmp_path / "other", "other").file):
        theirs = settings(tmp_path, url, ca)
        with closing(OrthancArchive.connect(theirs)) as archive, pytest.raises(ArchiveUnavailable):
            archive.version()


def test_authority_that_is_not_there_or_not_needed_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="NODE_ORTHANC_CA_FILE"):
        OrthancArchive.connect(settings(tmp_path, "https://orthanc.example", tmp_path / "none"))
    with pytest.raises(ValueError, match="begins with https"):
        settings(tmp_path, "http://orthanc.example", tmp_path / "ca.pem")
