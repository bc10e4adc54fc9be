"""One trial: a film is sent, a process holds at a point, the node is hurt, and recovers."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.faults.injuries import Injury
from bench.faults.scene import Scene
from bench.faults.verdict import promises, wait_for_end
from dicom_node.checkpoints import Point
from dicom_node.errors import NodeError
from tests.nodes import NotYetError, eventually

REACH_S = 120.0
END_S = 240.0


@dataclass(frozen=True)
class Trial:
    """What became of one study; ``recovery_s`` counts from the end of the fault."""

    study: str
    fault: str
    point: str
    state: str
    reason: str
    recovery_s: float
    broken: tuple[str, ...]


def run(scene: Scene, injury: Injury, point: Point, films: Iterator[tuple[str, Path]]) -> Trial:
    """Send a film, hurt the node while somebody holds at the point, and see how it ends."""
    scene.wait_well(END_S)
    uid, film = next(films)
    scene.holds.arm(point)
    try:
        _send(scene, film)
        scene.holds.wait(point, REACH_S)
        over = _hurt(scene, injury, point)
    except NotYetError as exc:
        return Trial(uid, injury.name, str(point), "", "", 0.0, (f"not reached: {exc}",))
    finally:
        scene.holds.let_go(point)
        film.unlink()
    try:
        ended = wait_for_end(scene, uid, END_S)
    except (NotYetError, httpx.HTTPError) as exc:
        seconds = time.monotonic() - over
        broken = (f"stuck: {exc}", *promises(scene, uid))
        return Trial(uid, injury.name, str(point), "", "", seconds, broken)
    broken = promises(scene, uid)
    return Trial(uid, injury.name, str(point), ended.state, ended.reason, ended.at - over, broken)


def _hurt(scene: Scene, injury: Injury, point: Point) -> float:
    """Inflict the injury, then let the study go on inside it; return when it was over."""
    with injury.inflict(scene):
        scene.holds.let_go(point)
        threading.Event().wait(injury.lasts_s)
        return time.monotonic()


def _send(scene: Scene, film: Path) -> None:
    """Send until the node has taken the film, as a modality does."""
    for attempt in eventually(REACH_S):
        with attempt:
            try:
                outcomes = scene.node.send([film])
            except NodeError as exc:
                raise NotYetError(str(exc)) from exc
            if not all(outcome.stored for outcome in outcomes):
                raise NotYetError("the node did not take the film")
