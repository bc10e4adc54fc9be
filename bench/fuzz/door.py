"""A fuzz campaign on the wire: malformed C-STOREs through the real door to the real Orthanc.

    .venv/bin/python -m bench.fuzz.door --inputs 20000 --seed 1

Starts HAProxy and Orthanc with its plugin as a node does. Prints what became of the inputs, how
often Orthanc had to be started again, whether the association of a bystander lasted, and the most
memory that Orthanc had. Exit 1 where Orthanc died, the bystander lost its association, or a sender
was left without an answer. The same seed gives the same inputs.
"""

import argparse
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Final

from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bench.fuzz import caller, seeds, wire
from bench.fuzz.caller import Association, Ended
from bench.fuzz.mutate import Pool, mutated
from tests.doors import Door

_SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
_META_GROUP: Final = 0x0002
_SILENT: Final = "no answer in time"
_ANSWER_S: Final = 40.0
_PARTS: Final = (2, 100, 1000, 16_000, 16_000, 60_000, 130_000)


@dataclass(frozen=True, slots=True)
class Input:
    """What one sender puts on the wire."""

    sop_class: str
    syntax: str
    sop_instance: str
    content: bytes
    part: int
    """The size of its fragments."""


@dataclass(slots=True)
class Outcome:
    """What became of a campaign."""

    answers: Counter[str] = field(default_factory=Counter)
    silent: list[int] = field(default_factory=list)
    deaths: list[int] = field(default_factory=list)
    lost: int = 0
    """How often the bystander's association ended."""

    peak_bytes: int = 0
    took_s: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether nothing died, nobody else was hurt and everybody was answered."""
        return not self.deaths and not self.lost and not self.silent


class Campaign:
    """A campaign through one door."""

    def __init__(self, door: Door, seed: int, pool: Pool) -> None:
        self._door = door
        self._seed = seed
        self._pool = pool
        self._lock = Lock()
        self.outcome = Outcome()

    def run(self, inputs: int, jobs: int, done: Callable[[int], None] = lambda _: None) -> Outcome:
        """Send ``inputs`` inputs by ``jobs`` senders, beside a bystander who stays."""
        started = time.monotonic()
        with ThreadPoolExecutor(jobs) as pool:
            for start in range(0, inputs, jobs * 8):
                bystander = self._door.caller(calling="BYSTANDER").associate(_SECONDARY_CAPTURE)
                with bystander.connection:
                    stretch = range(start, min(start + jobs * 8, inputs))
                    list(pool.map(self._one, stretch))
                    self._look(bystander)
                done(stretch.stop)
        self.outcome.took_s = time.monotonic() - started
        return self.outcome

    def _one(self, index: int) -> None:
        what = self._send(drawn(self._seed, index, self._pool))
        with self._lock:
            self.outcome.answers[what] += 1
            if _SILENT in what:
                self.outcome.silent.append(index)
            if self._door.revive():
                self.outcome.deaths.append(index)
                self._door.ready()

    def _send(self, given: Input) -> str:
        who = self._door.caller(timeout_s=_ANSWER_S)
        try:
            association = who.associate(given.sop_class, [given.syntax])
        except (Ended, OSError) as exc:
            return f"no association: {exc}"
        with association.connection:
            try:
                pieces = association.pieces(
                    caller.C_STORE_RQ,
                    given.sop_instance,
                    given.content,
                    given.syntax,
                    part=given.part,
                )
                for piece in pieces:
                    association.send(piece)
                status = association.status()
                association.echo()
            except Ended as exc:
                return f"ended: {exc}"
        return f"{status:04X}, and the association lasts"

    def _look(self, bystander: Association) -> None:
        outcome = self.outcome
        outcome.peak_bytes = max(outcome.peak_bytes, self._door.memory_bytes())
        try:
            bystander.echo()
        except Ended:
            outcome.lost += 1


def drawn(seed: int, index: int, pool: Pool) -> Input:
    """Return the input of this number: a damaged file, or an object that is deep or lies."""
    rng = random.Random(f"{seed} wire {index}")
    part = rng.choice(_PARTS)
    if rng.random() < 0.25:  # noqa: PLR2004
        content = lie(rng)
        syntax = rng.choice((ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian))
        return Input(_SECONDARY_CAPTURE, syntax, f"1.2.3.{index}", content, max(part, 100))
    file = rng.choice(pool)
    meta = dcmread(BytesIO(file), specific_tags=[], stop_before_pixels=True).file_meta
    damaged = mutated(rng, file, pool)
    content = damaged[_behind_meta(damaged) :]
    content += b"\0" * (len(content) % 2)
    least = len(content) // 400 // 2 * 2 + 2
    return Input(
        str(meta.MediaStorageSOPClassUID),
        str(meta.TransferSyntaxUID),
        str(meta.MediaStorageSOPInstanceUID),
        content,
        max(part, least),
    )


def _behind_meta(file: bytes) -> int:
    """Return where the data set begins, as far as the meta information can be read (PS3.10 7.1)."""
    at = wire.PREAMBLE
    for element in wire.split(file):
        if element.tag >> 16 != _META_GROUP:
            break
        at += len(element.encoded())
    return at


def lie(rng: random.Random) -> bytes:
    """Return elements of which one nests deeply or states a false length."""
    head = wire.Element(0x00080016, b"UI", _SECONDARY_CAPTURE.encode() + b"\0").encoded()
    uid = wire.Element(0x00080018, b"UI", b"1.2.3.%d" % rng.randrange(10**6)).encoded()
    depth = rng.choice((1, 10, 63, 64, 65, 100, 3000, 50_000))
    length = rng.choice((0, 1, 2, 0xFFFE, 0x10000, 0x7FFFFFFE, 0xFFFFFFF0, 0xFFFFFFFE))
    tag = rng.choice((0x00081140, 0x00091001, 0x0040A730, 0x54000100, 0x7FE00010, 0xFFFEE000))
    kind = rng.randrange(5)
    if kind == 0:
        opened = struct.pack("<HH2sHIHHI", 0x0040, 0xA730, b"SQ", 0, wire.UNDEFINED,
                             0xFFFE, 0xE000, wire.UNDEFINED)  # fmt: skip
        ends = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        body = opened * depth + ends * rng.choice((depth, depth - 1, 0))
    elif kind == 1:
        opened = struct.pack(
            "<HHIHHI", 0x0040, 0xA730, wire.UNDEFINED, 0xFFFE, 0xE000, wire.UNDEFINED
        )
        body = opened * depth
    elif kind == 2:  # noqa: PLR2004
        body = wire.nested(min(depth, 1000))
    elif kind == 3:  # noqa: PLR2004
        vr = rng.choice((b"OB", b"OW", b"SQ", b"UN", b"UT", b"LO", b"OD", b"UR", b"ZZ", b"??"))
        body = wire.Element(tag, vr, rng.randbytes(rng.randrange(2000)), length).encoded()
    else:
        body = struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length) + rng.randbytes(200)
    content = head + uid + body + rng.randbytes(2 * rng.randrange(3))
    return content + b"\0" * (len(content) % 2)


def pool_of(folder: Path) -> Pool:
    """Return the phantoms that mutations start from, in every syntax that Orthanc accepts."""
    seeds.prepare(folder, None)
    files = seeds.pool(folder / seeds.FILMS) + seeds.pool(folder / seeds.OTHERS)
    return tuple(file for file in files if b"1.2.840.10008.1.2.1.99" not in file[:400])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=4)
    wish = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dicom-node-wire-") as scratch:
        pool = pool_of(Path(scratch) / "seeds")
        with Door.at(Path(scratch) / "home") as door:
            outcome = Campaign(door, wish.seed, pool).run(wish.inputs, wish.jobs, _tell)
    for what, count in outcome.answers.most_common():
        print(f"  {count:7d}  {what}")
    print(
        f"{outcome.answers.total()} inputs, seed {wish.seed}, {outcome.took_s:.0f} s: Orthanc was "
        f"started again {len(outcome.deaths)} times {outcome.deaths[:9]}, the bystander lost "
        f"{outcome.lost} associations, {len(outcome.silent)} senders had no answer "
        f"{outcome.silent[:9]}, at most {outcome.peak_bytes >> 20} MiB of memory"
    )
    return 0 if outcome.is_clean else 1


def _tell(count: int) -> None:
    if count % 320 == 0:
        print(f"{count} inputs", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
