"""Watches the node for all streams of events: one look a second, however many clients there are.

It looks while somebody listens and at no other time. Threads do the looking, so that a database
or an Orthanc that does not answer holds up nobody's request.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Final

from dicom_node import log
from dicom_node.access.rules import permits
from dicom_node.api.answers import NodeState, Part
from dicom_node.api.door import Door
from dicom_node.api.monitor import is_ready, parts
from dicom_node.api.problems import ProblemError
from dicom_node.api.services import Services
from dicom_node.api.streams import Client, News, Stream, written
from dicom_node.errors import NodeError
from dicom_node.ledger import Census
from dicom_node.worklist.order import moved

PATH: Final = "/ai/events"
TICK_S: Final = 30
"""The order may change by time alone, when a study passes its bound: so often it is looked at."""

_NUMBER: Final = re.compile(r"[0-9]+")
_MARK: Final = re.compile(r"([0-9-]{1,80})\.([0-9]{1,12})\.([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the watch looks, how long it waits for a client to read, how many it serves."""

    rows_s: float = 1.0
    node_s: float = 5.0
    rights_s: float = 2.0
    unread_s: float = 30.0
    streams: int = 256
    streams_of_one: int = 32


@dataclass(frozen=True, slots=True)
class _Seen:
    """The worklist as it was looked at last; ``at``: when the order was."""

    census: Census
    at: datetime

    @property
    def tick(self) -> int:
        return tick(self.at)


@dataclass(slots=True)
class _Node:
    """The node's state as it was asked last."""

    state: NodeState = field(default_factory=lambda: NodeState(ready=False, notice="", parts=()))
    digest: str = ""
    known: asyncio.Event = field(default_factory=asyncio.Event)


def tick(now: datetime) -> int:
    """Return the number of the present half minute."""
    return int(now.timestamp() // TICK_S)


class Watch:
    """The streams that are open, and what they are told; used on the event loop alone."""

    def __init__(self, services: Services, door: Door, pace: Pace | None = None) -> None:
        self._services = services
        self._door = door
        self._pace = pace or Pace()
        self._streams: dict[Stream, None] = {}
        self._jobs: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._seen: _Seen | None = None
        self._node = _Node()
        self._closed = False

    async def join(self, client: Client, last: str) -> Stream:
        """Open a stream that goes on after the event ``last``, if it is given.

        Raises ProblemError where there are too many, LedgerUnavailable.
        """
        self._admit(client)
        stream = Stream(client)
        self._streams[stream] = None
        with ExitStack() as undo:
            undo.callback(self.leave, stream)  # where it does not come to be, cancelled or failed
            async with self._starting:
                if not self._jobs:
                    await self._start()
            stream.put(await asyncio.to_thread(self._since, last) if last else News(node=True))
            undo.pop_all()
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a stream; with the last one the watch ends."""
        self._streams.pop(stream, None)
        if not self._streams:
            for job in self._jobs:
                job.cancel()
            self._jobs.clear()

    def close(self) -> None:
        """End every stream, and open none any more: the process is about to end."""
        self._closed = True
        self._end_all()

    async def events(self, stream: Stream, last: str) -> AsyncIterator[bytes]:
        """Yield what a client is to be told, as it happens."""
        await self._node.known.wait()
        stream.put(News(node=bool(last) and not last.endswith(self._node.digest)))
        while True:
            news = await stream.take()
            yield written(self._mark(), news, self._node.state)

    def _admit(self, client: Client) -> None:
        of_each = Counter(stream.client.name for stream in self._streams)
        full = len(self._streams) >= self._pace.streams
        if self._closed or full or of_each[client.name] >= self._pace.streams_of_one:
            detail = "too many streams of events are open; ask for the list instead"
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, detail)

    async def _start(self) -> None:
        self._seen = await asyncio.to_thread(self._first)
        self._node = _Node()
        pace = self._pace
        routines = (
            self._repeat(self._tell_rows, pace.rows_s),
            self._repeat(self._tell_node, pace.node_s, at_once=True),
            self._repeat(self._drop, pace.rights_s),
        )
        self._jobs = [asyncio.create_task(routine) for routine in routines]
        for job in self._jobs:
            job.add_done_callback(self._ended)

    def _ended(self, job: asyncio.Task[None]) -> None:
        """Let nobody listen to a watch that has gone blind; the next to come starts it again."""
        if not job.cancelled() and (fault := job.exception()):
            log.get().error("events.fault", error=type(fault).__name__)
            self._end_all()

    async def _repeat(
        self, job: Callable[[], Awaitable[None]], every_s: float, *, at_once: bool = False
    ) -> None:
        if not at_once:
            await asyncio.sleep(every_s)
        while True:
            try:
                await job()
            except NodeError as exc:  # nobody can be told apart, and nothing be seen
                log.get().warning("events.unavailable", error=type(exc).__name__)
                self._end_all()
            await asyncio.sleep(every_s)

    async def _tell_rows(self) -> None:
        if self._seen is None:
            return
        self._seen, studies = await asyncio.to_thread(self._look, self._seen)
        await self._tell(News(studies))

    async def _tell_node(self) -> None:
        state = await asyncio.to_thread(self._ask_node)
        digest = _digest(state)
        if digest == self._node.digest:
            return
        is_first = not self._node.known.is_set()
        self._node.state, self._node.digest = state, digest
        self._node.known.set()
        await self._tell(News(node=not is_first))

    async def _tell(self, news: News) -> None:
        """Tell everybody who may still hear it."""
        if not news:
            return
        await self._drop()
        for stream in self._streams:
            stream.put(news)

    async def _drop(self) -> None:
        """End the streams whose clients have logged out, lost their role, or do not read."""
        streams = list(self._streams)
        admitted = await asyncio.to_thread(lambda: [self._admits(s.client) for s in streams])
        for stream, may in zip(streams, admitted, strict=True):
            if not may or stream.unread_s() > self._pace.unread_s:
                log.get().info("events.dropped", reason="unread" if may else "rights")
                self._end(stream)

    def _end_all(self) -> None:
        for stream in list(self._streams):
            self._end(stream)

    def _end(self, stream: Stream) -> None:
        stream.close()
        self.leave(stream)

    def _mark(self) -> str:
        """Return the id of an event: all that has been seen when it goes out."""
        if self._seen is None:
            return ""
        return f"{self._seen.census.revision}.{self._seen.tick}.{self._node.digest}"

    # What follows runs in threads, and changes nothing of the watch.

    def _first(self) -> _Seen:
        return _Seen(self._services.ledger.changes.census(), self._services.clock())

    def _look(self, seen: _Seen) -> tuple[_Seen, frozenset[str]]:
        """Return what is seen now, and which rows are not as they were."""
        changes, now = self._services.ledger.changes, self._services.clock()
        census, at, studies = seen.census, seen.at, frozenset[str]()
        if changes.revision() != census.revision:
            census = changes.census()
            studies = seen.census.changed(census)
        if tick(now) != seen.tick:
            studies |= self._moved(seen.at, now)
            at = now
        return _Seen(census, at), studies

    def _since(self, last: str) -> News:
        """Return what has changed on the worklist after an event."""
        known = _MARK.fullmatch(last)
        if known is None:
            return News(None)
        studies = self._services.ledger.changes.since(known[1])
        if studies is None:
            return News(None)
        now = self._services.clock()
        then = datetime.fromtimestamp(int(known[2]) * TICK_S, UTC)
        return News().and_then(News(studies | self._moved(then, now)))

    def _moved(self, before: datetime, now: datetime) -> frozenset[str]:
        heads = self._services.ledger.queries.heads()
        return moved(heads, self._services.policy, before, now)

    def _ask_node(self) -> NodeState:
        found = parts(self._services)
        told = tuple(Part(p.name, p.ok, "" if p.ok else p.message) for p in found)
        return NodeState(is_ready(found), self._services.room.refusal(), told)

    def _admits(self, client: Client) -> bool:
        identity = self._door.visitor(
            client.headers, of_the_node=client.of_the_node, used=False
        ).identity
        named = identity is not None and identity.actor == client.name
        return identity is not None and named and permits(identity.role, "GET", PATH)


def _digest(state: NodeState) -> str:
    """Return a word for a state; a figure that creeps on makes no other state of it."""
    return sha256(_NUMBER.sub("", repr(state)).encode()).hexdigest()[:8]
