"""Instances per second that a node takes by C-STORE: `dicom-node send` beside dcmtk's storescu.

Starts a node of its own and sends one CT series after another, slices of 16 bit, in turns by the
node's own SCU and by the named peer, each over one association. Prints the median rate of both and
their ratio.

    .venv/bin/python -m bench.ingest --slices 200 --edge-px 512 --rounds 3
"""

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dicom_node import uids
from dicom_node.pixels.wrap import encode
from tests.dcmtk import dcmtk
from tests.images import axial
from tests.nodes import LiveNode


def series(folder: Path, name: str, slices: int, edge_px: int) -> list[Path]:
    """Write a series of noise, in a study of its own."""
    folder.mkdir()
    random = np.random.default_rng(1)
    files = []
    for index in range(slices):
        pixels = random.integers(0, 2000, (edge_px, edge_px)).astype(np.uint16)
        image = axial(
            1.0 * index,
            pixels,
            StudyInstanceUID=uids.derive("ingest", name),
            SeriesInstanceUID=uids.derive("ingest", name, "series"),
            SOPInstanceUID=uids.derive("ingest", name, str(index)),
        )
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        files.append(folder / f"{index:04d}.dcm")
        files[-1].write_bytes(encode(image))
    return files


def ours(node: LiveNode, files: Sequence[Path]) -> None:
    """Send with the SCU of `dicom-node send`."""
    refused = [outcome for outcome in node.send(files) if not outcome.stored]
    assert refused == []


def peers(node: LiveNode, files: Sequence[Path]) -> None:
    """Send with dcmtk's storescu, as the README advises."""
    command = [dcmtk("storescu"), "-xe", "-aec", "AITRIAGE", "127.0.0.1", str(node.dicom_port)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    subprocess.run([*command, *map(str, files)], env=environment, check=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=200)
    parser.add_argument("--edge-px", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"dicom-node": [], "storescu": []}
    with TemporaryDirectory() as scratch, LiveNode.at(Path(scratch) / "node").running() as node:
        for number in range(options.rounds):
            for name, send in (("dicom-node", ours), ("storescu", peers)):
                study = f"{name}-{number}"
                files = series(Path(scratch) / study, study, options.slices, options.edge_px)
                started = time.perf_counter()
                send(node, files)
                rates[name].append(len(files) / (time.perf_counter() - started))
                print(f"{name}: {rates[name][-1]:.0f} instances/s", flush=True)
    own, peer = (statistics.median(rates[name]) for name in ("dicom-node", "storescu"))
    print(f"dicom-node {own:.0f} instances/s, {own / peer:.2f} times storescu's {peer:.0f}")


if __name__ == "__main__":
    main()
