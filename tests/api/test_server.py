"""The API process itself."""

import json
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dicom_node.api.server import listen, wire
from dicom_node.errors import SettingsError
from dicom_node.ledger import open_ledger
from dicom_node.settings import Settings
from tests.ledgers import STUDY, report
from tests.nodes import free_port


@pytest.fixture
def home() -> Iterator[Path]:
    """Return a NODE_HOME whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="node-api-") as folder:
        yield Path(folder)


@pytest.fixture
def process(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the API alone: no Orthanc, no Redis, no worker."""
    (home / "secrets").mkdir()
    (home / "secrets" / "internal-token").write_text("token\n", encoding="utf-8")
    settings = {"NODE_HOME": str(home), "NODE_HTTP_PORT": str(free_port())}
    started = subprocess.Popen(
        [sys.executable, "-m", "dicom_node.api.server"],
        env={**settings, "PATH": "/usr/bin:/bin"},
        stderr=subprocess.PIPE,
    )
    yield started
    started.kill()
    started.communicate()


def test_process_serves_on_its_socket_and_ends_when_told_to(
    home: Path, process: subprocess.Popen[bytes]
) -> None:
    assert process.stderr is not None
    assert any(b"api.started" in line for line in process.stderr)
    transport = httpx.HTTPTransport(uds=str(home / "run" / "api.sock"))
    with httpx.Client(transport=transport, base_url="http://api", timeout=30) as client:
        assert client.get("/ai/health").status_code == 401
        client.headers["X-Node-Token"] = "token"
        health = client.get("/ai/health")
        ledger = open_ledger(f"sqlite:///{home / 'ledger.sqlite3'}")
        report(ledger)
        ledger.close()
        listed = client.get("/ai/worklist").json()["items"]
        asked = client.post(f"/ai/studies/{STUDY}/runs")
    assert health.status_code == 503
    parts = {part["name"]: part["ok"] for part in health.json()["parts"]}
    assert parts == {
        "orthanc": False,
        "redis": False,
        "dicom": False,
        "ledger": True,
        "intake": False,
        "worker": False,
        "disk": parts["disk"],
    }
    assert [item["study_instance_uid"] for item in listed] == [STUDY]
    assert listed[0]["viewer_url"].endswith(f"/ohif/viewer?StudyInstanceUIDs={STUDY}")
    assert (asked.status_code, asked.headers["retry-after"]) == (503, "5")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}
    assert b"SECRET" not in log + json.dumps(health.json()).encode()


def test_socket_is_the_owners_alone_and_replaces_one_that_was_left(home: Path) -> None:
    for _ in range(2):
        with listen(f"unix:{home / 'run' / 'api.sock'}") as listener:
            mode = stat.S_IMODE((home / "run" / "api.sock").stat().st_mode)
            assert (listener.family, mode) == (socket.AF_UNIX, 0o600)


def test_listens_on_a_port() -> None:
    port = free_port()
    with listen(f"http://127.0.0.1:{port}") as listener:
        assert listener.getsockname() == ("127.0.0.1", port)
        with pytest.raises(SettingsError, match="cannot listen"):
            listen(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["unix:/dev/null/api.sock", "http://127.0.0.1:none"])
def test_address_of_no_use_is_an_error(address: str) -> None:
    with pytest.raises(SettingsError, match="cannot listen"):
        listen(address)


def test_without_the_token_it_does_not_start(home: Path) -> None:
    with pytest.raises(SettingsError, match="internal-token is missing"), wire(Settings(home=home)):
        pass
