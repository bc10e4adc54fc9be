"""What the harness does to a node, each for as long as a block lasts."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from bench.faults.scene import VISIBILITY_S, Scene
from dicom_node.supervision.home import Layout

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
SMALL_DISK_MB = 1536
"""More than what the node wants to be left free."""
_LAST_BYTES = 8 << 20


class Ground(StrEnum):
    """What the scratch node stands on."""

    PLAIN = "plain"
    SMALL_DISK = "a small tmpfs"
    FALSE_CLOCK = "libfaketime"


@dataclass(frozen=True)
class Injury:
    """A fault: how it is done, how long it lasts, and what the node must stand on for it."""

    name: str
    inflict: Callable[[Scene], AbstractContextManager[None]]
    lasts_s: float = 0.0
    ground: Ground = Ground.PLAIN


def killed(part: str) -> Injury:
    """Kill -9 one part with all its children."""

    @contextmanager
    def inflict(scene: Scene) -> Iterator[None]:
        scene.kill(part)
        yield

    return Injury(f"kill -9 {part}", inflict)


@contextmanager
def _supervisor_killed(scene: Scene) -> Iterator[None]:
    """Kill supervisord alone; an operator starts the node again."""
    scene.kill("supervisord")
    yield
    scene.node.up()


@contextmanager
def _redis_away(scene: Scene) -> Iterator[None]:
    with scene.node.without("redis"):
        yield


@contextmanager
def _ledger_locked(scene: Scene) -> Iterator[None]:
    """Hold SQLite's write lock, as a stuck backup would, for longer than a writer waits."""
    file = scene.settings.root / "ledger.sqlite3"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def _orthanc_hangs(scene: Scene) -> Iterator[None]:
    process = scene.pid("orthanc")
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@contextmanager
def _orthanc_answers_500(scene: Scene) -> Iterator[None]:
    """Take Orthanc's storage away, as when a network share goes: it answers 500 to each file."""
    storage = Layout.of(scene.settings).orthanc_storage
    away = storage.with_name("orthanc.away")
    storage.rename(away)
    storage.touch()
    try:
        yield
    finally:
        storage.unlink()
        away.rename(storage)


@contextmanager
def _disk_full(scene: Scene) -> Iterator[None]:
    filler = scene.settings.root / "filler"
    _fill(filler)
    try:
        yield
    finally:
        filler.unlink()


def _fill(file: Path) -> None:
    """Write until there is not a byte left, while others write too."""
    with file.open("wb", buffering=0) as stream:
        nearly_all = max(1, shutil.disk_usage(file.parent).free - _LAST_BYTES)
        os.posix_fallocate(stream.fileno(), 0, nearly_all)
        stream.seek(0, os.SEEK_END)
        for size in (4096, 1):
            _write_on(stream, size)


def _write_on(stream: BinaryIO, size: int) -> None:
    """Write blocks of this size until the disk takes no more."""
    try:
        while stream.write(bytes(size)) == size:
            pass
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise


def _clock_set(hours: int) -> Callable[[Scene], AbstractContextManager[None]]:
    @contextmanager
    def inflict(scene: Scene) -> Iterator[None]:
        move_clock(scene.settings.root, hours)
        yield

    return inflict


def move_clock(home: Path, hours: int) -> None:
    """Set the clock of every process of the node on or back; none of the machine's."""
    file = clock_file(home)
    before = int(file.read_text().removesuffix("h")) if file.exists() else 0
    new = file.with_suffix(".new")
    new.write_text(f"{before + hours:+d}h")
    new.replace(file)


def clock_file(home: Path) -> Path:
    """Return the file that libfaketime reads the clock's offset from."""
    return home / "clock"


def false_clock(home: Path) -> dict[str, str]:
    """Return the environment that lets `move_clock` reach every process of the node."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock_file(home)),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@contextmanager
def small_disk(home: Path) -> Iterator[None]:
    """Mount a small tmpfs on ``home``."""
    home.mkdir(parents=True, exist_ok=True)
    options = f"size={SMALL_DISK_MB}m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(home)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def prepared(stack: ExitStack, ground: Ground, home: Path) -> dict[str, str]:
    """Lay a ground out below ``home`` until the stack ends; return the node's environment."""
    if ground is Ground.SMALL_DISK:
        stack.enter_context(small_disk(home))
    if ground is Ground.FALSE_CLOCK:
        home.mkdir(parents=True)
        move_clock(home, 0)
        return false_clock(home)
    return {}


def missing(ground: Ground) -> str:
    """Return what this machine lacks for a ground; empty where it lacks nothing."""
    if ground is Ground.SMALL_DISK and (os.geteuid() != 0 or shutil.which("mount") is None):
        return "only root may mount a tmpfs"
    if ground is Ground.FALSE_CLOCK and not FAKETIME.exists():
        return "the Debian package libfaketime is not installed"
    return ""


KILLS = tuple(killed(part) for part in ("worker", "intake", "api", "redis", "orthanc", "beat"))
INJURIES = (
    *KILLS,
    Injury("kill -9 supervisord", _supervisor_killed),
    Injury("Redis away", _redis_away, VISIBILITY_S + 5),
    Injury("ledger locked", _ledger_locked, 20),
    Injury("Orthanc answers 500", _orthanc_answers_500, 15),
    Injury("Orthanc hangs", _orthanc_hangs, 40),
    Injury("disk full", _disk_full, 15, Ground.SMALL_DISK),
    Injury("clock +1 h", _clock_set(1), ground=Ground.FALSE_CLOCK),
    Injury("clock -1 h", _clock_set(-1), ground=Ground.FALSE_CLOCK),
)
