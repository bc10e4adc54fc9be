"""Kills of random parts, at random moments and at random points."""

import random
from dataclasses import dataclass, field

from bench.faults.scene import Scene
from dicom_node.checkpoints import POINTS
from tests.nodes import NotYetError

PARTS = ("worker", "intake", "api", "redis", "orthanc", "beat")
_REACH_S = 20.0


@dataclass
class Killer:
    """Kills one part at a time; ``chance`` decides which, and whether at a point."""

    scene: Scene
    chance: random.Random
    done: list[str] = field(default_factory=list)

    def kill(self) -> None:
        """Kill one part, once it runs."""
        part = self.chance.choice(PARTS)
        point = self.chance.choice(POINTS) if self.chance.getrandbits(1) else None
        if point is None:
            self.scene.kill(part)
            self.done.append(part)
            return
        self.scene.holds.arm(point)
        try:
            self.scene.holds.wait(point, _REACH_S)
            where = str(point)
        except NotYetError:  # the part that would come there is down itself
            where = f"near {point}"
        try:
            self.scene.kill(part)
        finally:
            self.scene.holds.let_go(point)
        self.done.append(f"{part} at {where}")
