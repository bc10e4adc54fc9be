"""Kills of random parts, at random moments and at random points."""

import random
from dataclasses import dataclass, field

from bench.faults.scene import Scene
from dicom_node.checkpoints import POINTS, Point
from tests.nodes import NotYetError

PARTS = ("worker", "intake", "api", "redis", "orthanc", "beat")
_REACH_S = 20.0


@dataclass(frozen=True)
class Kill:
    """One kill, the point that was armed for it, and whether a process held there by then."""

    part: str
    point: Point | None = None
    held: bool = False

    def __str__(self) -> str:
        """Return the part and where it was killed."""
        if self.point is None:
            return self.part
        return f"{self.part} {'at' if self.held else 'without anybody at'} {self.point}"


@dataclass
class Killer:
    """Kills one part at a time; ``chance`` decides which, and whether at a point."""

    scene: Scene
    chance: random.Random
    done: list[Kill] = field(default_factory=list)

    def kill(self) -> None:
        """Kill one part, once it runs."""
        part = self.chance.choice(PARTS)
        point = self.chance.choice(POINTS) if self.chance.getrandbits(1) else None
        if point is None:
            self.scene.kill(part)
            self.done.append(Kill(part))
            return
        with self.scene.holds.armed(point):
            held = self._somebody_holds(point)
            self.scene.kill(part)
        self.done.append(Kill(part, point, held))

    def _somebody_holds(self, point: Point) -> bool:
        """Wait for a process at the point; the one that would come there may be down itself."""
        try:
            self.scene.holds.wait(point, _REACH_S)
        except NotYetError:
            return False
        return True
