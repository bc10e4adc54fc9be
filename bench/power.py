"""Power cuts: every process of a node is killed at once while films are on their way.

Starts a scratch node of its own. In each round films are sent, all processes of the node are killed
by -9 at once, and the end of Redis' append-only file is spoilt, as a cut may leave it. Then
`dicom-node up --detach`: it must exit 0, and each film must end REPORTED, once. What no process can
show is a disk that forgets what it called written. Exit 1 where a promise was broken.

    .venv/bin/python -m bench.power --rounds 5 --films 60
"""

import argparse
import random
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console

from bench.faults.films import films
from bench.faults.scene import Ports, Scene, opened
from bench.faults.settling import judge
from dicom_node.supervision.home import Layout

_LIMIT_S = 120.0
_DRAIN_S = 600.0
_SPOILT_BYTES = 64
_console = Console(stderr=True)


def main() -> None:
    """Cut the power, round after round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, broken = random.Random(options.seed), 0
    with TemporaryDirectory(prefix="power-") as scratch:
        home = Path(scratch)
        with opened(home / "node", Ports.choose(None), {}) as scene:
            sent = films(home / "films", f"POWER-{options.seed}")
            for number in range(1, options.rounds + 1):
                with _console.status(f"round {number} of {options.rounds}"):
                    broken += cut(scene, list(islice(sent, options.films)), chance)
    raise SystemExit(1 if broken else 0)


def cut(scene: Scene, batch: list[tuple[str, Path]], chance: random.Random) -> int:
    """Cut the power with films on their way; return how many promises were broken."""
    outcomes = scene.node.send([file for _, file in batch])
    stored = [uid for (uid, _), outcome in zip(batch, outcomes, strict=True) if outcome.stored]
    states = [head.state for head in scene.ledger.queries.heads()]
    under_way = sum(not state.is_final for state in states)
    for process in _processes(scene):
        process.kill()
    spoil(scene.node.home, chance)
    began = time.monotonic()
    done = scene.node.run("up", "--detach", check=False)
    ready_s = time.monotonic() - began
    late = [f"{one.promise} ({one.study or 'the node'})" for one in judge(scene, stored, _DRAIN_S)]
    if done.returncode != 0:
        late.append(f"up exits {done.returncode}: {done.stderr.strip()[-300:]}")
    if ready_s > _LIMIT_S:
        late.append(f"ready after {ready_s:.0f} s")
    print(
        f"{len(stored)} films stored, {under_way} of them under way when the power went: up exits "
        f"{done.returncode} after {ready_s:.0f} s, all ended {time.monotonic() - began:.0f} s "
        f"after the cut; broken promises: {len(late)}",
        flush=True,
    )
    for promise in late:
        print(f"  {promise}", flush=True)
    return len(late)


def spoil(home: Path, chance: random.Random) -> None:
    """Overwrite the end of what Redis wrote last by noise, and add some."""
    for file in home.rglob("appendonly.aof.*.incr.aof"):
        content = file.read_bytes()
        keep = max(0, len(content) - chance.randrange(_SPOILT_BYTES))
        file.write_bytes(content[:keep] + chance.randbytes(chance.randrange(1, _SPOILT_BYTES)))


def _processes(scene: Scene) -> list[psutil.Process]:
    """Return the node's processes, the supervisor first, since it would start the others again."""
    file = Layout.of(scene.settings).supervisor_pid_file
    supervisor = psutil.Process(int(file.read_text(encoding="utf-8")))
    return [supervisor, *supervisor.children(recursive=True)]


if __name__ == "__main__":
    main()
