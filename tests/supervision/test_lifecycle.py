"""Starting and ending, with a real supervisord and real processes."""

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import health, lifecycle, listeners, render
from dicom_node.supervision.client import Part
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import Program
from tests.nodes import NotYetError, eventually, free_port

_SLEEP = "/bin/sleep"


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[tuple[Settings, Settings]]:
    """Run two nodes side by side that each consist of one process that sleeps."""
    both = (_settings(tmp_path / "one"), _settings(tmp_path / "two"))
    for settings in both:
        layout = Layout.of(settings)
        layout.create()
        text = render.supervisor(layout, [Program("sleeper", (_SLEEP, "600"), 1)])
        layout.supervisor_file.write_text(text, encoding="utf-8")
        lifecycle.start_detached(layout.supervisor_file)
    yield both
    for settings in both:
        lifecycle.stop(settings)


def _settings(home: Path) -> Settings:
    return Settings(home=home, http_port=free_port(), dicom_port=free_port())


def _pid(settings: Settings) -> int:
    for attempt in eventually(20):
        with attempt:
            (part,) = lifecycle.state(settings)
            if part.pid is None or not part.is_up:
                raise NotYetError(part.state)
            pid = part.pid
    return pid


def test_stop_ends_its_own_node_only(sleepers: tuple[Settings, Settings]) -> None:
    mine, other = sleepers
    gone, stays = _pid(mine), _pid(other)
    assert lifecycle.stop(mine)
    assert not psutil.pid_exists(gone)
    assert not lifecycle.is_running(mine)
    assert psutil.pid_exists(stays)
    assert lifecycle.is_running(other)
    assert not lifecycle.stop(mine)


def test_supervisor_restarts_a_killed_process(sleepers: tuple[Settings, Settings]) -> None:
    settings, _ = sleepers
    first = _pid(settings)
    psutil.Process(first).kill()
    for attempt in eventually(20):
        with attempt:
            if _pid(settings) == first:
                raise NotYetError("not yet noticed")
    assert _pid(settings) != first


def test_stop_ends_what_a_killed_supervisor_left(sleepers: tuple[Settings, Settings]) -> None:
    mine, other = sleepers
    left, stays = _pid(mine), _pid(other)
    supervisor = lifecycle.supervisord(mine).pid()
    assert supervisor is not None
    process = psutil.Process(supervisor)
    process.kill()
    process.wait(10)
    bystander = subprocess.Popen([_SLEEP, "600"])
    try:
        assert psutil.pid_exists(left)
        assert lifecycle.stop(mine)
        assert not psutil.pid_exists(left)
        assert psutil.pid_exists(stays)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_port_taken_says_by_whom_and_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            listeners.require_port(port, "HTTP")
    message = str(caught.value)
    assert f"HTTP port {port} is taken by" in message
    assert f"(process {os.getpid()})" in message
    assert "NODE_HTTP_PORT=" in message


def test_port_free_raises_nothing() -> None:
    listeners.require_port(free_port(), "HTTP")


def test_prepare_refuses_a_taken_port_and_writes_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = Settings(
            home=tmp_path, http_port=free_port(), dicom_port=server.getsockname()[1]
        )
        with pytest.raises(SettingsError, match="NODE_DICOM_PORT"):
            lifecycle.prepare(settings)
    assert not Layout.of(settings).supervisor_file.exists()


def test_home_is_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    layout = Layout.of(Settings(home=home))
    layout.create()
    for folder in (home, layout.logs, layout.orthanc_storage, layout.sockets):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_home_of_another_user_is_refused(tmp_path: Path) -> None:
    foreign = Path("/usr")
    if os.getuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        os.chown(foreign, 12345, -1)
    with pytest.raises(SettingsError, match="NODE_HOME"):
        Layout(foreign, tmp_path / "run").create()


def test_a_deep_home_still_gets_sockets(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / ("deep" * 30))
    assert len(os.fsencode(Layout.of(settings).supervisor_socket)) < 108


@pytest.mark.parametrize(
    ("states", "answer", "ready", "word"),
    [
        ([], True, False, "down"),
        (["RUNNING", "BACKOFF"], True, False, "p1 is BACKOFF"),
        (["RUNNING", "STARTING"], True, True, "amiss"),
        (["RUNNING", "RUNNING"], False, False, "amiss"),
        (["RUNNING", "RUNNING"], True, True, "amiss"),
    ],
)
def test_verdict(states: list[str], answer: bool, ready: bool, word: str) -> None:
    parts = tuple(Part(f"p{i}", state, i + 1, 5, "", "") for i, state in enumerate(states))
    told, message = lifecycle.verdict(parts, health.Health(answer, "amiss"))
    assert told is ready
    assert word in message
