"""What the harness does to a node, each for as long as a block lasts."""

import errno
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from bench.faults.scene import VISIBILITY_S, Scene
from dicom_node.intake.reconcile import SWEPT
from dicom_node.ledger.schema import CursorRow, DeliveryRow, RunRow, ServedModelRow, StudyRow
from dicom_node.supervision.home import Layout
from tests.disks import may_mount, small_disk

_TIMES: Final[tuple[InstrumentedAttribute[object], ...]] = (
    StudyRow.received_at,
    StudyRow.due_at,
    RunRow.created_at,
    RunRow.handed_over_at,
    RunRow.again_at,
    RunRow.retry_at,
    RunRow.lease_until,
    DeliveryRow.due_at,
    ServedModelRow.seen_at,
)
SMALL_DISK_MIB = 1536
"""More than what the node wants to be left free."""
_LAST_BYTES = 8 << 20


class Ground(StrEnum):
    """What the scratch node stands on."""

    PLAIN = "plain"
    SMALL_DISK = "a small tmpfs"


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
    """Move every time in the ledger the other way: what the node then finds is what it would find
    had the machine's clock been set, and no other program on the machine notices."""

    @contextmanager
    def inflict(scene: Scene) -> Iterator[None]:
        _move_times(scene, timedelta(hours=-hours))
        yield

    return inflict


def _move_times(scene: Scene, by: timedelta) -> None:
    with scene.ledger.database.write() as session:
        for column in _TIMES:
            for row in session.scalars(select(column.class_).where(column.is_not(None))):
                setattr(row, column.key, getattr(row, column.key) + by)
        swept = session.get_one(CursorRow, SWEPT)
        swept.value += round(by.total_seconds())


@contextmanager
def _worker_killed_then_clock_back(scene: Scene) -> Iterator[None]:
    """Leave a lease that runs for another hour, with nobody who renews it.

    No sweep runs meanwhile: one that began before would take back what it finds moved.
    """
    with scene.node.without("intake"):
        scene.kill("worker")
        _move_times(scene, timedelta(hours=1))
    yield


def prepare(stack: ExitStack, ground: Ground, home: Path) -> None:
    """Lay a ground out at ``home``, until the stack ends."""
    if ground is Ground.SMALL_DISK:
        stack.enter_context(small_disk(home, SMALL_DISK_MIB))


def missing(ground: Ground) -> str:
    """Return what this machine lacks for a ground; empty where it lacks nothing."""
    if ground is Ground.SMALL_DISK and not may_mount():
        return "only root may mount a tmpfs"
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
    Injury("clock +1 h", _clock_set(1)),
    Injury("clock -1 h", _clock_set(-1)),
    Injury("kill -9 worker and clock -1 h", _worker_killed_then_clock_back),
)
