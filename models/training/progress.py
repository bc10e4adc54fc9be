"""What training says while it runs."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")
_MANY: Final = 40
"""Fewer items than these are soon done, or say something themselves."""


class Progress(Protocol):
    """Where progress goes."""

    def track(self, items: Sequence[T], what: str) -> Iterable[T]:
        """Yield ``items`` and show how far it is."""
        ...

    def say(self, text: str) -> None:
        """Show one line."""
        ...


class ConsoleProgress:
    """Progress bars and lines on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    def track(self, items: Sequence[T], what: str) -> Iterator[T]:
        """Yield ``items`` behind a progress bar; in a log, say each tenth of many."""
        if self._console.is_terminal:
            return iter(track(items, what, console=self._console, transient=True))
        return self._told(items, what)

    def _told(self, items: Sequence[T], what: str) -> Iterator[T]:
        tenth = max(1, len(items) // 10)
        for done, item in enumerate(items, start=1):
            yield item
            if done % tenth == 0 and len(items) >= _MANY:
                self.say(f"{what}: {done} of {len(items)}")

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
