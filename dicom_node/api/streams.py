"""One client's stream of events: what it has not been told yet.

What waits for a client is a set, not a queue: however slowly he reads, it grows no larger than the
list that he would ask for, and what changed twice is told once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from dicom_node.api.answers import Event, NodeState

MOST_STUDIES: Final = 1000
"""One event names no more: with more, any study may have changed."""

_EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Event)


@dataclass(frozen=True, slots=True)
class Client:
    """Who reads a stream, and the headers by which he is known again."""

    name: str
    headers: Mapping[str, str]
    of_the_node: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What has changed: studies (None: any may have), and perhaps the node's own state."""

    studies: frozenset[str] | None = frozenset()
    node: bool = False

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return self.studies is None or bool(self.studies) or self.node

    def and_then(self, later: "News") -> "News":
        """Return both as one."""
        if self.studies is None or later.studies is None:
            return News(None, self.node or later.node)
        studies = self.studies | later.studies
        return News(studies if len(studies) <= MOST_STUDIES else None, self.node or later.node)


class Stream:
    """What one client has still to be told; used on the event loop alone."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.over = asyncio.Event()
        self._news = News()
        self._waiting = asyncio.Event()
        self._taken_at: float | None = None

    def put(self, news: News) -> None:
        """Add to what the client is to be told."""
        if news:
            self._news = self._news.and_then(news)
            self._waiting.set()

    async def take(self) -> News:
        """Wait for news, and take them to send them."""
        self._taken_at = None
        await self._waiting.wait()
        self._waiting.clear()
        self._taken_at = asyncio.get_running_loop().time()
        news, self._news = self._news, News()
        return news

    def unread_s(self) -> float:
        """Return for how long the client has not read what is being sent."""
        return 0.0 if self._taken_at is None else asyncio.get_running_loop().time() - self._taken_at

    def close(self) -> None:
        """End the stream: nothing more goes out."""
        self.over.set()


def written(mark: str, news: News, node: NodeState) -> bytes:
    """Return one event as it goes over the wire (HTML, 9.2.6)."""
    studies = tuple(sorted(news.studies or ()))
    event = Event(studies=studies, everything=news.studies is None, node=node)
    return b"id: " + mark.encode() + b"\ndata: " + _EVENT.dump_json(event) + b"\n\n"
