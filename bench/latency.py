"""From the last C-STORE to the report in Orthanc: real films and CT volumes, sent by dcmtk.

Starts a node of its own, sends films of the test split wrapped as CR and the sound CT volumes with
``storescu``, and prints a line for each, the median and the 95th percentile, and their ratio to
the named peer: the same gate and model called in process, in the same run, on the same files.

    .venv/bin/python -m bench.latency --films 20 --output output/latency
"""

import argparse
import csv
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydicom import dcmread

from bench.node import BenchNode
from dicom_node.pixels.wrap import Attributes, encode, radiograph
from dicom_node.settings import load
from worker.bench import Bench

SOUND_VOLUMES = ("P001", "cap001", "normal001")


@dataclass(frozen=True)
class Timed:
    """One study's way: seconds from the last C-STORE to REPORTED, and in process."""

    name: str
    kind: str
    state: str
    said: str
    node_s: float
    peer_s: float


def films(data: Path, count: int, folder: Path) -> list[tuple[str, list[Path]]]:
    """Wrap films of the core set's test split, spread over its labels, as CR objects."""
    rows = [
        row
        for row in csv.DictReader((data / "cxr" / "manifest.csv").open(encoding="utf-8"))
        if row["set"] == "core" and row["split"] == "test"
    ]
    by_label: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row)
    chosen = [group[i] for i in range(len(rows)) for group in by_label.values() if i < len(group)][
        :count
    ]
    wrapped = []
    for row in chosen:
        attributes = Attributes(patient_id=row["id"], study_description=f"bench {row['id']}")
        path = folder / f"{row['id']}.dcm"
        path.write_bytes(encode(radiograph(data / "cxr" / row["file"], "CR", attributes)))
        wrapped.append((f"{row['id']} {row['label']}", [path]))
    return wrapped


def measure(node: BenchNode, peer: Bench, name: str, files: Sequence[Path]) -> Timed:
    """Send one study, wait for its end, then read it in process."""
    uid = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    node.send(files)
    sent = time.perf_counter()
    item = node.final(uid).item
    node_s = time.perf_counter() - sent
    started = time.perf_counter()
    peer.analyze(files, None)
    peer_s = time.perf_counter() - started
    said = item.priority or (item.refusal.code if item.refusal else "")
    return Timed(name, "CT" if len(files) > 1 else "CXR", item.state, said, node_s, peer_s)


def summarise(kind: str, timed: Sequence[Timed]) -> None:
    """Print median, 95th percentile and the ratio to the peer for one kind of study."""
    seconds = sorted(t.node_s for t in timed if t.kind == kind)
    if not seconds:
        return
    p95 = seconds[min(len(seconds) - 1, round(0.95 * (len(seconds) - 1)))]
    ratio = statistics.median(t.node_s / t.peer_s for t in timed if t.kind == kind)
    print(
        f"{kind}: n={len(seconds)} median {statistics.median(seconds):.2f} s, p95 {p95:.2f} s, "
        f"{ratio:.1f} times the same model called in process"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=20)
    parser.add_argument("--output", type=Path, help="keep every report here")
    options = parser.parse_args()
    data = load().data.resolve()
    with TemporaryDirectory() as scratch:
        home = Path(scratch)
        with BenchNode.running(home / "node") as node:
            studies = films(data, options.films, home)
            for volume in SOUND_VOLUMES:
                studies.append((volume, sorted((data / "ct" / "volumes" / volume).iterdir())))
            peer = Bench.open(None)
            timed = []
            for name, files in studies:
                one = measure(node, peer, name, files)
                timed.append(one)
                print(f"{one.name:32} {one.state:9} {one.said:22} {one.node_s:6.2f} s", flush=True)
                keep(node, files, options.output)
            summarise("CXR", timed)
            summarise("CT", timed)


def keep(node: BenchNode, files: Sequence[Path], output: Path | None) -> None:
    """Write the study's report, if it has one, into the output folder."""
    uid = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    report = node.final(uid).item.report
    if output is None or report is None:
        return
    output.mkdir(parents=True, exist_ok=True)
    file = output / f"{report.sop_instance_uid}.dcm"
    file.write_bytes(node.stored(report.sop_instance_uid))


if __name__ == "__main__":
    main()
