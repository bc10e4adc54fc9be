"""The process of the shadow: loads models, reads what it is sent, answers; nothing else.

It has no way to the archive, the ledger or the queue: what it says can only go back to the worker
(`worker.shadow_process`). Its argument is the number of the open socket.
"""

import contextlib
import os
import sys
import threading
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter
from typing import TYPE_CHECKING

from dicom_node import log
from dicom_node.domain import ShadowAnswer
from dicom_node.errors import ModelError
from dicom_node.foreign import where
from worker.shadow_process import Fault, Job, Orders, Ready

if TYPE_CHECKING:
    from models.shadow import Shadows

_LOWER_BY = 10
_FIRST_TO_GO = "1000"


def main() -> None:
    """Take orders, load, and answer until the worker closes the socket."""
    connection = Connection(int(sys.argv[1]))
    _step_back()
    from models import shadow  # noqa: PLC0415  # torch is slow to load: step back before

    orders: Orders = connection.recv()
    log.configure(orders.log_level)
    jobs: SimpleQueue[Job] = SimpleQueue()
    threading.Thread(target=_receive, args=(connection, jobs), daemon=True).start()
    shadows = shadow.load(orders.device, orders.shadow, orders.site)
    connection.send(Ready(shadows.published))
    while True:
        connection.send(_answer(shadows, jobs.get()))


def _step_back() -> None:
    """Let the worker go first: less processor time, and first in line where memory runs out."""
    os.nice(_LOWER_BY)
    with contextlib.suppress(OSError):  # a kernel without it, or a container that forbids it
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="utf-8")


def _receive(connection: "Connection[object, Job]", jobs: "SimpleQueue[Job]") -> None:
    """Pass jobs on; end the process at once when the worker has gone, even amid a reading."""
    try:
        while True:
            jobs.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)


def _answer(shadows: "Shadows", job: Job) -> ShadowAnswer | Fault:
    started = perf_counter()
    try:
        predictions = shadows.predict(job.kind, job.samples)
    except ModelError as exc:
        return Fault(str(exc))
    except Exception as exc:  # noqa: BLE001  # an outer boundary: the next study may be read
        return Fault(f"the model met {where(exc)}")
    elapsed_ms = 1000 * (perf_counter() - started)
    bare = tuple(replace(prediction, heatmaps=()) for prediction in predictions)
    return ShadowAnswer(bare, elapsed_ms)


if __name__ == "__main__":
    main()
