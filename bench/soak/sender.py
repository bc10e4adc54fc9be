"""A modality that sends study after study, and again what it got no success for."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.faults.scene import Scene
from dicom_node.domain import RunState
from dicom_node.errors import NodeError

_PAUSE_S = 0.5
_OPEN = frozenset({RunState.RECEIVED, RunState.QUEUED, RunState.RUNNING})


@dataclass
class Sender:
    """Sends films until ``wanted`` are taken; never has more than ``most_open`` unread."""

    scene: Scene
    films: Iterator[tuple[str, Path]]
    wanted: int
    most_open: int
    stored: list[str] = field(default_factory=list)
    repeats: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Send until all are taken, or until it is told to stop."""
        while len(self.stored) < self.wanted and not self.stop.is_set():
            if self._is_full():
                self.stop.wait(_PAUSE_S)
                continue
            uid, film = next(self.films)
            while not self._taken(film):
                self.repeats += 1
                if self.stop.wait(_PAUSE_S):
                    return
            film.unlink()
            self.stored.append(uid)

    def _taken(self, film: Path) -> bool:
        try:
            return all(outcome.stored for outcome in self.scene.node.send([film]))
        except NodeError:
            return False

    def _is_full(self) -> bool:
        try:
            heads = self.scene.ledger.queries.heads()
        except NodeError:
            return True
        known = {head.study_instance_uid: head.state for head in heads}
        unread = sum(known.get(uid, RunState.RECEIVED) in _OPEN for uid in self.stored)
        return unread >= self.most_open
