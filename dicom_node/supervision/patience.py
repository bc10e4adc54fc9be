"""How long to wait for a node that is starting: longer while something visibly goes on."""

import re
import time
from collections.abc import Callable, Iterable
from typing import Final

import psutil

from dicom_node.supervision.client import Part

WINDOW_S: Final = 60.0
"""Without any progress for this long, a wait that is over its time ends."""
_LONGEST: Final = 10.0
"""So many times the wait that was asked for is the end in any case."""
_BUSY_S: Final = 2.0
"""Of processor time within a window: a node at rest uses less."""


class Patience:
    """The end of a wait, put off by what is seen of the node meanwhile.

    Progress is a state that had not been seen before, or work of processes that are still the ones
    that they were: one that dies and is started again makes none.
    """

    def __init__(
        self,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[int], float] | None = None,
    ) -> None:
        self._clock = clock
        self._used = used or _processor_s
        started = clock()
        self._end = started + deadline_s
        self._last = started + max(deadline_s, 0.0) * _LONGEST
        self._seen: set[str] = set()
        self._work: dict[int, float] = {}

    def is_over(self, amiss: str, parts: Iterable[Part]) -> bool:
        """Tell whether the wait is over, after a look at what is amiss and at the processes."""
        now = self._clock()
        if self._is_new(amiss) or self._is_work(parts):
            self._end = max(self._end, now + WINDOW_S)
        return now > min(self._end, self._last)

    def _is_new(self, amiss: str) -> bool:
        text = re.sub(r"\d+", "#", amiss)
        new = text not in self._seen
        self._seen.add(text)
        return new

    def _is_work(self, parts: Iterable[Part]) -> bool:
        pids = [part.pid for part in parts if part.pid]
        used = {pid: self._used(pid) for pid in pids}
        done = sum(max(0.0, used[pid] - self._work.get(pid, used[pid])) for pid in pids)
        known = self._work.keys() & used.keys()
        self._work = {pid: self._work[pid] for pid in known} | {
            pid: used[pid] for pid in used.keys() - known
        }
        if done < _BUSY_S:
            return False
        self._work = used
        return True


def _processor_s(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)
