"""The harness's side of `dicom_node.checkpoints`: arm a point, wait until it is reached, let go."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicom_node.checkpoints import Point
from tests.nodes import NotYetError, eventually


@dataclass(frozen=True)
class Holds:
    """The folder that NODE_CHECKPOINTS names."""

    folder: Path

    def arm(self, point: Point) -> None:
        """Let the next process that comes to the point hold there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / point.armed).touch()

    @contextmanager
    def armed(self, point: Point) -> Iterator[None]:
        """Arm the point for the length of a block; nobody holds there afterwards."""
        self.arm(point)
        try:
            yield
        finally:
            self.let_go(point)

    def holder(self, point: Point) -> int | None:
        """Return the process id of whoever holds at the point."""
        file = self.folder / point.reached
        told = file.read_text(encoding="utf-8") if file.exists() else ""
        return int(told) if told else None

    def wait(self, point: Point, deadline_s: float) -> int:
        """Wait until somebody holds at the point; return the process id, raise NotYetError."""
        for attempt in eventually(deadline_s):
            with attempt:
                holder = self.holder(point)
                if holder is None:
                    raise NotYetError(f"nobody has come to the point {point}")
        return holder or 0

    def let_go(self, point: Point) -> None:
        """Disarm the point and let go whoever holds there."""
        (self.folder / point.armed).unlink(missing_ok=True)
        (self.folder / point.reached).unlink(missing_ok=True)
