"""A long run of small studies while parts of the node are killed: lost, duplicated, stuck?

Starts a scratch node of its own. Films go in one after the other, each until it has a C-STORE
success; meanwhile parts are killed with -9, half of them at a random moment, half while a process
holds at a random point. In the end every study that was taken must have ended, with one report in
Orthanc and at the PACS. Exit 1 unless nothing was lost, duplicated or stuck.

    .venv/bin/python -m bench.soak --studies 1000 --kills 50 --seed 1
"""

import argparse
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console
from rich.progress import Progress

from bench.faults.films import films
from bench.faults.scene import Ports, Scene, opened
from bench.faults.verdict import broken_promises, wait_for_end
from bench.soak.killer import Killer
from bench.soak.sender import Sender
from tests.nodes import NotYetError

_DRAIN_S = 900.0
_POLL_S = 0.2
_console = Console(stderr=True)


def main() -> None:
    """Run the soak and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--open", type=int, default=20, help="studies on their way at a time")
    parser.add_argument("--port", type=int, help="first of three free ports")
    options = parser.parse_args()
    started = time.monotonic()
    with TemporaryDirectory(prefix="soak-") as scratch:
        home = Path(scratch)
        with opened(home / "node", Ports.choose(options.port), {}) as scene:
            sent = films(home / "films", f"SOAK-{options.seed}")
            sender = Sender(scene, sent, options.studies, options.open)
            killer = Killer(scene, random.Random(options.seed))
            _send_and_kill(sender, killer, options.kills)
            stuck = _drain(scene, sender.stored)
            broken = _judge(scene, sender.stored)
            _print(scene, sender, killer, time.monotonic() - started)
    for promise in broken + stuck:
        print(promise)
    counts = Counter(kind for kind in map(_kind, broken + stuck))
    print(
        f"{len(sender.stored)} studies, {len(killer.done)} kills: "
        f"lost {counts['lost']}, duplicated {counts['duplicate']}, stuck {counts['stuck']}"
    )
    if broken or stuck:
        raise SystemExit(1)


def _send_and_kill(sender: Sender, killer: Killer, kills: int) -> None:
    """Send in one thread; kill in this one, at moments spread over the sending."""
    moments = sorted(killer.chance.sample(range(sender.wanted), min(kills, sender.wanted)))
    thread = threading.Thread(target=sender.run, name="sender")
    thread.start()
    pause = threading.Event()
    with Progress(console=_console) as progress:
        bar = progress.add_task("studies taken", total=sender.wanted)
        while thread.is_alive():
            progress.update(bar, completed=len(sender.stored))
            if moments and len(sender.stored) >= moments[0]:
                moments.pop(0)
                killer.kill()
                _console.print(f"{len(sender.stored)} studies taken, killed {killer.done[-1]}")
            pause.wait(_POLL_S)
    thread.join()
    for _ in moments:  # the last ones fell together
        killer.kill()


def _drain(scene: Scene, uids: Sequence[str]) -> list[str]:
    """Wait until all studies have ended; return what has not."""
    end = time.monotonic() + _DRAIN_S
    stuck = []
    for uid in uids:
        try:
            wait_for_end(scene, uid, max(1.0, end - time.monotonic()))
        except (NotYetError, httpx.HTTPError) as exc:
            stuck.append(f"stuck: {uid}: {exc}")
    return stuck


def _judge(scene: Scene, uids: Sequence[str]) -> list[str]:
    return [f"{promise} ({uid})" for uid in uids for promise in broken_promises(scene, uid)]


def _kind(promise: str) -> str:
    return promise.partition(":")[0]


def _print(scene: Scene, sender: Sender, killer: Killer, seconds: float) -> None:
    taken = set(sender.stored)
    items = [i for i in scene.ledger.queries.worklist() if i.study_instance_uid in taken]
    waits = sorted(item.wait_s or 0.0 for item in items if item.reported_at)
    ends = Counter(item.state.value for item in items)
    print(", ".join(f"{count} {state}" for state, count in sorted(ends.items())))
    for reason, count in Counter(i.error.message for i in items if i.error).items():
        print(f"  FAILED {count} times: {reason}")
    killed = sorted(Counter(map(_part, killer.done)).items())
    at_points = sum(" at " in kill for kill in killer.done)
    print(f"killed: {', '.join(f'{count} {part}' for part, count in killed)}")
    print(f"killed while somebody held at a point: {at_points}; sent again: {sender.repeats}")
    if waits:
        p95 = waits[round(0.95 * (len(waits) - 1))]
        print(
            f"from arrival to report: median {waits[len(waits) // 2]:.1f} s, p95 {p95:.1f} s, "
            f"longest {waits[-1]:.1f} s"
        )
    print(f"duration {seconds / 60:.1f} min")


def _part(kill: str) -> str:
    return kill.partition(" ")[0]


if __name__ == "__main__":
    main()
