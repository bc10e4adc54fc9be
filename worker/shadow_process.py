"""The process that models in the shadow live in, as the worker sees it.

A process of its own, so that a model on trial cannot take the worker with it (a crash, a leak),
hold it up (one that never ends is killed) or compete with it (it runs at low priority).
"""

import multiprocessing
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Final, cast

from dicom_node import log
from dicom_node.domain import ModelIdentity, Sample, ServedModel, ShadowAnswer, StudyKind
from dicom_node.errors import InferenceFailed
from dicom_node.settings import ModelSettings
from models.catalogue import unfit

PROGRAM: Final = (sys.executable, "-m", "worker.shadow_reader")
_MOST_LOSSES: Final = 3
_STOP_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What the process is told first: which models, where, and how much to log."""

    device: str
    shadow: Mapping[StudyKind, str]
    site: tuple[ModelSettings, ...]
    log_level: str


@dataclass(frozen=True, slots=True)
class Ready:
    """What it answers when it has loaded what it can."""

    published: tuple[ServedModel, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One study to read."""

    kind: StudyKind
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why it could not read one."""

    message: str


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds after which the process is killed."""

    load_s: float = 600.0
    read_s: float = 120.0


class ShadowProcess:
    """Starts the process, talks to it, and starts it again where it ended; a `ShadowReader`.

    Used by one thread; `published` may be asked by any. After three losses in a row it stays
    down until the worker is started anew: each start costs seconds of the machine.
    """

    def __init__(
        self,
        orders: Orders,
        program: Sequence[str] = PROGRAM,
        deadlines: Deadlines = Deadlines(),
    ) -> None:
        self._orders = orders
        self._program = tuple(program)
        self._deadlines = deadlines
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._losses = 0
        self._late = False
        self._published = tuple(
            unfit(kind, ModelIdentity(name, "", ""), "is being loaded")
            for kind, name in orders.shadow.items()
        )

    def published(self) -> tuple[ServedModel, ...]:
        """Return what the ledger keeps of each shadow, fit or not."""
        return self._published

    def identity(self, kind: StudyKind) -> ModelIdentity:
        """Return which weights read this kind; without version and hash where none are loaded."""
        return next(model.identity for model in self._published if model.kind is kind)

    def start(self) -> None:
        """Load the models ahead of the first study; `published` tells where that failed."""
        with suppress(InferenceFailed):  # logged, and told by `published`
            self._connected()

    def read(self, kind: StudyKind, samples: Sequence[Sample]) -> ShadowAnswer:
        """Read the samples of one study; raises InferenceFailed."""
        connection = self._connected()
        answer = self._ask(connection, Job(kind, tuple(samples)), self._deadlines.read_s)
        self._losses = 0
        if isinstance(answer, Fault):
            raise InferenceFailed(answer.message)
        return cast("ShadowAnswer", answer)

    def close(self) -> None:
        """End the process, if it runs."""
        if self._process is not None:
            self._process.kill()
        self._end()

    def _connected(self) -> "Connection[Any, Any]":
        """Return the way to the process, started where it is not; raises InferenceFailed."""
        if self._connection is not None and self._process is not None:
            if self._process.poll() is None:
                return self._connection
            self._lost(self._deadlines.read_s)  # it ended between two studies
        if self._losses >= _MOST_LOSSES:
            raise InferenceFailed(self._published[0].message)
        self._connection, theirs = multiprocessing.Pipe()
        command = [*self._program, str(theirs.fileno())]
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
                )
        except OSError as exc:
            raise InferenceFailed(self._lost(self._deadlines.load_s)) from exc
        ready = self._ask(self._connection, self._orders, self._deadlines.load_s)
        self._published = cast("Ready", ready).published
        return self._connection

    def _ask(self, connection: "Connection[Any, Any]", words: object, deadline_s: float) -> object:
        try:
            with self._killed_after(deadline_s):
                connection.send(words)
                return connection.recv()
        except (EOFError, OSError) as exc:
            raise InferenceFailed(self._lost(deadline_s)) from exc

    @contextmanager
    def _killed_after(self, deadline_s: float) -> Iterator[None]:
        """Kill the process at the deadline, which ends sending and receiving alike."""
        self._late = False
        timer = threading.Timer(deadline_s, self._kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _kill(self) -> None:
        self._late = True
        if self._process is not None:
            self._process.kill()

    def _lost(self, deadline_s: float) -> str:
        """Tidy up after a process that ended; return why it did."""
        late = self._late
        code = self._end()
        self._losses += 1
        message = f"the shadow's process {_ending(code)}"
        if late:
            message = f"the shadow took longer than {deadline_s:g} s; its process was ended"
        if self._losses >= _MOST_LOSSES:
            message += f"; {_MOST_LOSSES} times in a row: it stays down until the worker restarts"
        self._published = tuple(
            replace(model, ready=False, message=message) for model in self._published
        )
        log.get().warning("shadow.process_lost", error=message)
        return message

    def _end(self) -> int | None:
        """Close the connection and end the process; return its exit code."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        process, self._process = self._process, None
        if process is None:
            return None
        for _ in range(2):
            try:
                return process.wait(_STOP_S)
            except subprocess.TimeoutExpired:  # its socket is closed, and still it does not end
                process.kill()
        return None


def _ending(code: int | None) -> str:
    if code is None:
        return "could not be started, or does not end"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
