"""What comes after a verdict: a message that nobody acknowledged returns, and a run with it."""

import json
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

import httpx
import redis

from bench.faults.scene import Scene
from bench.faults.verdict import promises, wait_for_end
from dicom_node.intake.broker import RUN_QUEUE
from dicom_node.intake.reconcile import SWEPT
from tests.nodes import NotYetError, eventually

_UNACKNOWLEDGED = "unacked"
"""The hash in which kombu keeps (message, exchange, routing key) until it is acknowledged."""
_SWEEPS = 2


@dataclass(frozen=True)
class Late:
    """A promise that is broken once nothing is on its way; ``study`` is empty for the node's."""

    study: str
    promise: str


def judge(scene: Scene, uids: Iterable[str], deadline_s: float) -> list[Late]:
    """Wait until nothing can return any more; return each promise that is broken then."""
    end = time.monotonic() + deadline_s
    late = []
    try:
        _settle(scene, deadline_s)
    except (NotYetError, httpx.HTTPError) as exc:
        late.append(Late("", f"stuck: {exc}"))
    for uid in uids:
        stuck = ""
        try:
            wait_for_end(scene, uid, max(1.0, end - time.monotonic()))
        except (NotYetError, httpx.HTTPError) as exc:
            stuck = f"stuck: {exc}"
            late.append(Late(uid, stuck))
        broken = promises(scene, uid)
        late += [Late(uid, p) for p in broken if not (stuck and p.startswith("stuck"))]
    return late


def _settle(scene: Scene, deadline_s: float) -> None:
    """Wait until the broker holds no run's message, and two sweeps have looked for work since."""
    socket = str(scene.settings.socket_dir / "redis.sock")
    swept: set[int] = set()
    with closing(redis.Redis(unix_socket_path=socket, decode_responses=True)) as broker:
        for attempt in eventually(deadline_s):
            with attempt:
                if held := _held(broker):
                    swept.clear()
                    raise NotYetError(f"the broker holds {held} messages of runs")
                swept.add(scene.ledger.studies.cursor(SWEPT))
                if len(swept) <= _SWEEPS:
                    raise NotYetError("no sweep since")


def _held(broker: redis.Redis) -> int:
    """Return how many messages of runs are waiting, or taken and not acknowledged."""
    try:
        waiting = sum(int(str(broker.llen(key))) for key in broker.scan_iter(f"{RUN_QUEUE}*"))
        taken = dict(broker.hgetall(_UNACKNOWLEDGED))
    except redis.RedisError as exc:
        raise NotYetError(f"Redis: {type(exc).__name__}") from exc
    return waiting + sum(RUN_QUEUE in json.loads(entry)[1:] for entry in taken.values())
