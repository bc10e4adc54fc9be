"""Whose turn it is in the queue of runs: urgency at first, then patience. Pure rules.

Urgency says what must be read first, before anybody knows what it shows; `Priority` says what
must be looked at first, once it has been read.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self


class Urgency(StrEnum):
    """How soon a run should start; the most urgent first, as in Requested Procedure Priority."""

    STAT = "STAT"
    HIGH = "HIGH"
    ROUTINE = "ROUTINE"
    LOW = "LOW"

    @property
    def rank(self) -> int:
        """Return 0 for the most urgent, one more for each less."""
        return _ORDER.index(self)

    @classmethod
    def of_order(cls, requested: str) -> Self | None:
        """Return what Requested Procedure Priority (0040,1003) says; None where nothing.

        PS3.3 C.4.11 knows STAT, HIGH, ROUTINE, MEDIUM and LOW.
        """
        word = requested.strip().upper()
        return next((one for one in cls if one == ("ROUTINE" if word == "MEDIUM" else word)), None)


_ORDER: Final = tuple(Urgency)


def most_urgent(*candidates: Urgency | None) -> Urgency:
    """Return the most urgent of what is known; ROUTINE where nothing is."""
    known = [one for one in candidates if one is not None]
    return min(known, key=lambda one: one.rank, default=Urgency.ROUTINE)


@dataclass(frozen=True, slots=True)
class Turn:
    """The class in which a run waits now, and when it rises to the next; None at the top."""

    urgency: Urgency
    rises_at: datetime | None


def turn(asked: Urgency, since: datetime, now: datetime, rise_s: float) -> Turn:
    """Return the turn of a run that was ``asked`` for with an urgency and waits since then.

    It rises by one class each ``rise_s``, so that nothing that is asked for later than
    ``asked.rank * rise_s`` after it can be taken before it.
    """
    steps = max(0, int((now - since).total_seconds() // rise_s))
    rank = max(0, asked.rank - steps)
    rises_at = since + timedelta(seconds=rise_s * (steps + 1)) if rank else None
    return Turn(_ORDER[rank], rises_at)
