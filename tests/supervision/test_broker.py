"""Redis comes up whatever a power cut has made of its append-only file."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from dicom_node.supervision import render
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import tool
from tests.nodes import NotYetError, eventually


@contextmanager
def running(home: Path) -> Iterator[redis.Redis]:
    """Start Redis as supervisord would."""
    layout = Layout(home, home)
    layout.redis_data.mkdir(exist_ok=True)
    layout.redis_file.write_text(render.redis(layout), encoding="utf-8")
    command = [sys.executable, "-m", "dicom_node.supervision.broker", tool("redis-server")]
    command += [tool("redis-check-aof"), str(layout.redis_file), str(layout.redis_data)]
    with (home / "redis.log").open("ab") as words:
        server = subprocess.Popen(command, stdout=words, stderr=words, env=dict(os.environ))
    client = redis.Redis(unix_socket_path=str(home / "redis.sock"))
    try:
        for attempt in eventually():
            with attempt:
                try:
                    client.ping()
                except redis.RedisError as exc:
                    raise NotYetError((home / "redis.log").read_text(encoding="utf-8")) from exc
        yield client
    finally:
        client.close()
        server.kill()
        server.wait(60)


def torn_tail(files: list[Path]) -> None:
    """Lose the end of what was being written."""
    (last,) = (file for file in files if file.name.endswith(".incr.aof"))
    last.write_bytes(last.read_bytes()[:-7])


def rotten_tail(files: list[Path]) -> None:
    """Find zeros where the last block was, as after a power cut."""
    (last,) = (file for file in files if file.name.endswith(".incr.aof"))
    content = last.read_bytes()
    last.write_bytes(content[:-40] + b"\0" * 4096)


def rotten_middle(files: list[Path]) -> None:
    (last,) = (file for file in files if file.name.endswith(".incr.aof"))
    content = bytearray(last.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20] = b"x" * 20
    last.write_bytes(content)


def rotten_base(files: list[Path]) -> None:
    for file in files:
        if ".base." in file.name:
            file.write_bytes(b"\xff" * 50)


def lost_manifest(files: list[Path]) -> None:
    for file in files:
        if file.name.endswith(".manifest"):
            file.unlink()


def rotten_manifest(files: list[Path]) -> None:
    for file in files:
        if file.name.endswith(".manifest"):
            file.write_bytes(b"\0" * 30)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = Path("/tmp") / f"broker-{os.getpid()}-{tmp_path.name[-8:]}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (torn_tail, True),
        (rotten_tail, True),
        (rotten_middle, True),
        (rotten_base, False),
        (lost_manifest, False),
        (rotten_manifest, False),
    ],
)
def test_redis_is_up_again(home: Path, damage: Callable[[list[Path]], None], *, kept: bool) -> None:
    with running(home) as client:
        for number in range(50):
            client.rpush("queue", f"message {number}")
    damage(sorted((home / "redis" / "appendonlydir").iterdir()))
    with running(home) as client:
        left = client.llen("queue")
        assert (0 < left < 50) if kept else left == 0
        client.rpush("queue", "another")
    told = (home / "redis.log").read_text(encoding="utf-8")
    aside = list((home / "redis").glob("damaged-*"))
    assert bool(aside) is not kept
    if not kept:
        assert "broker.set_aside" in told
    with running(home) as client:
        assert client.llen("queue") == left + 1


def test_sound_file_is_left_alone(home: Path) -> None:
    with running(home) as client:
        client.rpush("queue", "message")
    with running(home) as client:
        assert client.llen("queue") == 1
    assert "broker." not in (home / "redis.log").read_text(encoding="utf-8")
