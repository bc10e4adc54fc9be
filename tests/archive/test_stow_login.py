"""STOW-RS to a server that asks for a login: HTTP Basic or Bearer, from files, over HTTPS."""

import base64
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dicom_node.archive.stow import StowDestination
from dicom_node.destination import DestinationSettings
from dicom_node.errors import DeliveryFailed, StoreRejected
from tests.certificates import Authority

SECRET = "a söcret: with blanks"


class Guarded(HTTPServer):
    """An HTTPS server that takes objects from whoever shows what it wants."""

    wants, refuses_with = "", 401

    def __init__(self, authority: Authority) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.shown: list[str | None] = []
        self.authority = authority
        tls = authority.server(authority.issue("127.0.0.1"))
        tls.verify_mode = ssl.CERT_NONE  # of the client
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def destination(self, **login: Any) -> StowDestination:
        url = f"https://127.0.0.1:{self.server_port}/dicom-web"
        plain = {"name": "web", "kind": "stow", "url": url, "timeout_s": 5}
        chosen = {**plain, "tls_ca_file": self.authority.file, **login}
        return StowDestination(DestinationSettings.model_validate(chosen))


class Handler(BaseHTTPRequestHandler):
    """Reads the object and looks at who sent it."""

    server: Guarded

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        shown = self.headers["Authorization"]
        self.server.shown.append(shown)
        self.send_response(200 if shown == self.server.wants else self.server.refuses_with)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(authority: Authority) -> Iterator[Guarded]:
    with Guarded(authority) as server:
        yield server
        server.shutdown()
        server.thread.join(20)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n", "utf-8")
    return file


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"nöde:{password}".encode()).decode()


def test_basic_and_bearer_are_shown_as_their_files_say(
    site: Guarded, secret: Path, film: Path
) -> None:
    site.wants = basic(SECRET)
    site.destination(user="nöde", password_file=secret).send(film)
    secret.write_text("abc.def-ghi\n", "utf-8")
    site.wants = "Bearer abc.def-ghi"
    site.destination(token_file=secret).send(film)
    assert len(site.shown) == 2


def test_secret_that_changes_is_the_new_one_at_once(
    site: Guarded, secret: Path, film: Path
) -> None:
    destination = site.destination(user="nöde", password_file=secret)
    site.wants = basic("next")
    with pytest.raises(DeliveryFailed, match="does not take the node's login") as told:
        destination.send(film)
    assert SECRET not in str(told.value)
    secret.write_text("next", "utf-8")
    destination.send(film)


def test_token_is_shown_whatever_a_netrc_says(
    site: Guarded, secret: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    secret.write_text("token", "utf-8")
    site.wants = "Bearer token"
    site.destination(token_file=secret).send(film)


@pytest.mark.parametrize(
    ("status", "has_login", "words"),
    [
        (401, False, "asks for a login"),
        (401, True, "does not take the node's login"),
        (403, False, "shows no login"),
        (403, True, "does not let the node's account store"),
    ],
)
def test_refusal_of_a_login_is_told_plainly(
    site: Guarded, secret: Path, film: Path, status: int, has_login: bool, words: str
) -> None:
    site.wants, site.refuses_with = "another", status
    login = {"user": "node", "password_file": secret} if has_login else {}
    may_pass = has_login and status == 401
    with pytest.raises(DeliveryFailed if may_pass else StoreRejected, match=words) as told:
        site.destination(**login).send(film)
    assert str(status) in str(told.value)


@pytest.mark.parametrize("held", [None, "", " \n", "two\nlines", b"\xff\xfe"])
@pytest.mark.parametrize("login", [{"user": "node", "password_file": ""}, {"token_file": ""}])
def test_file_without_a_secret_is_told_and_nothing_is_sent(
    site: Guarded, film: Path, tmp_path: Path, held: str | bytes | None, login: dict[str, Any]
) -> None:
    file = tmp_path / "held"
    if held is not None:
        file.write_bytes(held if isinstance(held, bytes) else held.encode())
    login = {name: value or file for name, value in login.items()}
    with pytest.raises(DeliveryFailed, match=f"{file} (cannot be read|holds no)"):
        site.destination(**login).send(film)
    assert site.shown == []


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"password": "inline"}, "password may not stand here"),
        ({"token": "inline"}, "token may not stand here"),
        ({"url": "https://node:inline@pacs.example/dicom-web"}, "may hold no login"),
        ({"user": "node"}, "go together"),
        ({"password_file": "x"}, "go together"),
        ({"user": "node", "password_file": "x", "token_file": "x"}, "one of the two"),
        ({"user": "no:de", "password_file": "x"}, "pattern"),
        ({"url": "http://pacs.example/dicom-web", "token_file": "x"}, "https"),
        ({"kind": "dimse", "token_file": "x"}, "for kind stow"),
        ({"kind": "dimse", "user": "node", "password_file": "x"}, "for kind stow"),
    ],
)
def test_login_that_makes_no_sense_is_refused(login: dict[str, str], words: str) -> None:
    where = {"name": "web", "kind": "stow", "url": "https://pacs.example/dicom-web"}
    with pytest.raises(ValidationError, match=words):
        DestinationSettings.model_validate({**where, **login})
