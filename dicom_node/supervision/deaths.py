"""Notices parts that die at their start, and finds out what their logs say of it."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dicom_node.supervision.client import Part

_TAIL_BYTES = 16 * 1024
_PATIENCE_S = 9.0
"""How long somebody waits for a part to die a second time."""
_TROUBLE = re.compile(
    r"^E\d{4} "  # Orthanc's errors; its last words are always that it has stopped
    r"|\[(emerg|crit|alert|ALERT)\]"  # nginx and HAProxy
    r"|\b(\w*Error|\w*Exception|error|fatal|cannot|can't|failed)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Ends:
    """How often a part has ended while it was watched, and how long it had lived the last time."""

    ended_at_s: int | None
    uptime_s: int = 0
    lived_s: int = 0
    times: int = 0

    def seen(self, part: Part) -> "_Ends":
        """Return this with what supervisord says of the part now."""
        uptime_s = part.uptime_s or 0
        if part.ended_at_s == self.ended_at_s:
            return _Ends(self.ended_at_s, uptime_s, self.lived_s, self.times)
        return _Ends(part.ended_at_s, uptime_s, self.uptime_s, self.times + 1)

    @property
    def is_settled(self) -> bool:
        """Whether the part has by now lived longer than it did the last time."""
        return not self.times or self.uptime_s > self.lived_s


class Watch:
    """Counts how often the parts end while somebody waits for the node."""

    def __init__(self) -> None:
        self._ends: dict[str, _Ends] = {}

    def see(self, parts: Iterable[Part], waited_s: float) -> str | None:
        """Return what to say of a part that dies at its start, or None.

        One that cannot be started, that died twice, or that died and, after all that waiting, has
        not lived longer since.
        """
        dying = []
        for part in parts:
            before = self._ends.get(part.name) or _Ends(part.ended_at_s if part.is_up else None)
            self._ends[part.name] = ends = before.seen(part)
            often = ends.times > 1 or waited_s > _PATIENCE_S
            if part.could_not_be_started or (often and not ends.is_settled):
                dying.append(told(part))
        return "; ".join(dying) or None

    def unsettled(self) -> tuple[str, ...]:
        """Return the names of the parts that may well die again."""
        return tuple(name for name, ends in self._ends.items() if not ends.is_settled)


def told(part: Part) -> str:
    """Say how a part is and, where it has died and may die again, what its log says of it."""
    state = f"{part.name} is {part.state}"
    if not part.has_died:
        return state
    if part.could_not_be_started:
        return f"{state}: {part.message}"
    again = " again" if part.state == "STARTING" else ""
    return f"{state}{again} after it died: {last_words(part)}"


def last_words(part: Part) -> str:
    """Return the last line of a part's log that tells of trouble, or else its last line at all."""
    lines = [line.strip() for line in _tail(Path(part.log)).splitlines() if line.strip()]
    trouble = [line for line in lines if _TROUBLE.search(line)]
    return next(reversed(trouble or lines), part.message or "its log is empty")


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
