"""Whether a worker can read studies, and what keeps it from taking any while it cannot.

The pool's process opens the pipeline, and tries again for as long as it cannot be opened. The
worker's main process, which takes messages from the broker, looks at what that one says: runs stay
in their queue, in plain view and for any other worker to take.
"""

import mmap
import os
import threading
from collections.abc import Callable
from typing import Final, Protocol

from celery import Celery, bootsteps
from celery.worker.consumer.tasks import Tasks

from dicom_node import log
from dicom_node.errors import DeviceLost, NodeError
from dicom_node.foreign import where
from dicom_node.intake.broker import RUN_QUEUE
from worker.pipeline import Pipeline

_READY: Final = mmap.mmap(-1, 1)
"""Shared by the main process and those that it forks: one, with one reader for each worker."""

_LOOK_S: Final = 0.5
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0


def pause_s(attempt: int) -> float:
    """Return how long to wait after the given attempt (1 = first): doubling, up to a bound."""
    return min(_FIRST_PAUSE_S * 2.0 ** (attempt - 1), _LONGEST_PAUSE_S)


class Reader:
    """This process's pipeline, once it can be opened; it is tried again until then.

    ``open_pipeline`` raises what is amiss; ``tell`` says that to the ledger.
    """

    def __init__(
        self,
        open_pipeline: Callable[[], Pipeline],
        tell: Callable[[str], None],
        pause: Callable[[int], float] = pause_s,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self._open = open_pipeline
        self._tell = tell
        self._pause = pause
        self._exit = leave
        self._pipeline: Pipeline | None = None

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline; None while studies are to be left to others."""
        return self._pipeline if _READY[0] else None

    def begin(self) -> None:
        """Open the pipeline now or, where that fails, as soon as it can be."""
        _READY[0] = 0
        if not self._attempt(1):
            threading.Thread(target=self._keep_trying, daemon=True, name="reader").start()

    def end(self, reason: str) -> None:
        """End this process, which can read no study any more; the pool starts another one."""
        _READY[0] = 0
        log.get().error("worker.ends", error=reason)
        self._tell(f"{reason}; the worker starts anew")
        self._exit(os.EX_TEMPFAIL)

    def _keep_trying(self) -> None:
        attempt, pause = 1, threading.Event()
        while not pause.wait(self._pause(attempt)):
            attempt += 1
            if self._attempt(attempt):
                return

    def _attempt(self, attempt: int) -> bool:
        try:
            self._pipeline = self._open()
        except DeviceLost as exc:
            self.end(str(exc))
            return False
        except NodeError as exc:
            reason = str(exc)
        except Exception as exc:  # noqa: BLE001  # an outer boundary: a worker that cannot read waits
            reason = f"the worker met {where(exc)}"
        else:
            _READY[0] = 1
            return True
        log.get().error("worker.unfit", attempt=attempt, error=reason)
        again = f"{reason}; it takes no study and tries again within {self._pause(attempt):.0f} s"
        self._tell(again)
        return False


class Timer(Protocol):
    """What Celery's timer gives for a call that it repeats."""

    def cancel(self) -> None:
        """Repeat it no more."""
        ...


class Schedule(Protocol):
    """Celery's timer, which runs in the loop that takes messages."""

    def call_repeatedly(
        self, secs: float, fun: Callable[..., None], args: tuple[object, ...]
    ) -> Timer:
        """Call ``fun`` again and again."""
        ...


class Consumer(Protocol):
    """What is used of Celery's consumer, which carries no types."""

    app: Celery
    timer: Schedule

    def add_task_queue(self, queue: str) -> None:
        """Take messages of a queue from now on."""
        ...

    def cancel_task_queue(self, queue: str) -> None:
        """Take no more of them."""
        ...


class Consumption(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery carries no types
    """Takes runs from the broker while the reader is ready, and none while it is not."""

    requires = (Tasks,)

    def __init__(self, consumer: Consumer, **options: object) -> None:
        self._timer: Timer | None = None
        super().__init__(consumer, **options)

    def include_if(self, consumer: Consumer) -> bool:
        """Tell whether this worker is one that takes runs at all."""
        return takes_runs(consumer)

    def start(self, consumer: Consumer) -> None:
        """Look at the reader now, before anything is taken, and twice a second from now on."""
        look(consumer)
        self._timer = consumer.timer.call_repeatedly(_LOOK_S, look, (consumer,))

    def stop(self, consumer: Consumer) -> None:
        """Look no more: the connection is closed, or lost."""
        del consumer
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def takes_runs(consumer: Consumer) -> bool:
    """Tell whether messages of runs are taken now."""
    return bool(RUN_QUEUE in consumer.app.amqp.queues.consume_from)


def look(consumer: Consumer) -> None:
    """Begin or cease to take runs, as the reader says."""
    taking = takes_runs(consumer)
    if _READY[0] and not taking:
        consumer.add_task_queue(RUN_QUEUE)
    elif taking and not _READY[0]:
        consumer.cancel_task_queue(RUN_QUEUE)
