"""A long run of small studies while parts of the node are killed: lost, duplicated, stuck?

Starts a scratch node of its own. Films go in one after the other, each until it has a C-STORE
success; meanwhile parts are killed with -9, half of them at a random moment, half while a process
holds at a random point. In the end every study that was taken must have ended, with one report in
Orthanc and at the PACS. Exit 1 unless all were taken, all kills were done, and nothing was lost,
duplicated or stuck.

    .venv/bin/python -m bench.soak --studies 1000 --kills 50 --seed 1
"""

import argparse
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import Progress

from bench.faults.films import films
from bench.faults.scene import Ports, Scene, opened
from bench.faults.settling import Late, judge
from bench.soak.killer import Killer
from bench.soak.sender import Sender

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
    if options.kills > options.studies:
        parser.error("there are no more kills than studies")
    started = time.monotonic()
    with TemporaryDirectory(prefix="soak-") as scratch:
        home = Path(scratch)
        with opened(home / "node", Ports.choose(options.port), {}) as scene:
            sent = films(home / "films", f"SOAK-{options.seed}")
            sender = Sender(scene, sent, options.studies, options.open)
            killer = Killer(scene, random.Random(options.seed))
            _send_and_kill(sender, killer, options.kills)
            broken = judge(scene, sender.stored, _DRAIN_S)
            _print(scene, sender, killer, time.monotonic() - started)
    for late in broken:
        print(f"{late.promise} ({late.study or 'the node'})")
    counts = Counter(map(_kind, broken))
    print(
        f"{len(sender.stored)} studies, {len(killer.done)} kills: "
        f"lost {counts['lost']}, duplicated {counts['duplicate']}, stuck {counts['stuck']}"
    )
    if broken or len(sender.stored) != options.studies or len(killer.done) != options.kills:
        raise SystemExit(1)


def _send_and_kill(sender: Sender, killer: Killer, kills: int) -> None:
    """Send in one thread; kill in this one, at moments spread over the sending."""
    moments = sorted(killer.chance.sample(range(sender.wanted), kills))
    pause = threading.Event()
    with ThreadPoolExecutor(1) as pool, Progress(console=_console) as progress:
        bar = progress.add_task("studies taken", total=sender.wanted)
        sending = pool.submit(sender.run)
        try:
            while not sending.done():
                progress.update(bar, completed=len(sender.stored))
                if moments and len(sender.stored) >= moments[0]:
                    moments.pop(0)
                    killer.kill()
                    _console.print(f"{len(sender.stored)} studies taken, killed {killer.done[-1]}")
                pause.wait(_POLL_S)
        finally:
            sender.stop.set()
        sending.result()
    for _ in moments:  # the last ones fell together
        killer.kill()


def _kind(late: Late) -> str:
    return late.promise.partition(":")[0]


def _print(scene: Scene, sender: Sender, killer: Killer, seconds: float) -> None:
    taken = set(sender.stored)
    items = [i for i in scene.ledger.queries.worklist() if i.study_instance_uid in taken]
    waits = sorted(item.wait_s or 0.0 for item in items if item.reported_at)
    ends = Counter(item.state.value for item in items)
    print(", ".join(f"{count} {state}" for state, count in sorted(ends.items())))
    for reason, count in Counter(i.error.message for i in items if i.error).items():
        print(f"  FAILED {count} times: {reason}")
    killed = sorted(Counter(kill.part for kill in killer.done).items())
    armed = [kill for kill in killer.done if kill.point]
    held = sum(kill.held for kill in armed)
    print(f"killed: {', '.join(f'{count} {part}' for part, count in killed)}")
    print(f"a point was armed for {len(armed)} kills, somebody held there at {held} of them")
    print(f"sent again: {sender.repeats}")
    if waits:
        p95 = waits[round(0.95 * (len(waits) - 1))]
        print(
            f"from arrival to report: median {waits[len(waits) // 2]:.1f} s, p95 {p95:.1f} s, "
            f"longest {waits[-1]:.1f} s"
        )
    print(f"duration {seconds / 60:.1f} min")


if __name__ == "__main__":
    main()
