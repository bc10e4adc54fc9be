"""What the DICOM door costs: C-STORE through HAProxy and the relay, beside Orthanc called directly.

Starts door and Orthanc as a node does, and sends CT series by dcmtk's storescu, over one or more
associations at once, in turns through the door and to Orthanc itself. Prints the median rate of
both and their ratio.

    .venv/bin/python -m bench.door --slices 100 --edge-px 512 --rounds 5 --associations 1 4
"""

import argparse
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.ingest import series
from tests.dcmtk import dcmtk
from tests.doors import Door


def sent(files: Sequence[Path], host: str, port: int) -> None:
    """Send files over one association."""
    command = [dcmtk("storescu"), "-xe", "-aec", "AITRIAGE", host, str(port)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    subprocess.run([*command, *map(str, files)], env=environment, check=True)


def rate(folders: Sequence[Sequence[Path]], host: str, port: int) -> float:
    """Return the instances per second of all associations together."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(folders)) as pool:
        list(pool.map(lambda files: sent(files, host, port), folders))
    return sum(map(len, folders)) / (time.perf_counter() - began)


def measure(door: Door, folder: Path, wish: argparse.Namespace, associations: int) -> None:
    """Print what one number of associations gives."""
    rates: dict[str, list[float]] = {"door": [], "Orthanc": []}
    places = {
        "door": ("127.0.0.1", door.settings.dicom_port),
        "Orthanc": (str(door.settings.orthanc_address), door.settings.orthanc_dicom_port),
    }
    for number in range(wish.rounds + 1):
        for name in sorted(places, reverse=bool(number % 2)):
            fresh = [
                series(folder / f"{name}-{associations}-{number}-{one}",
                       f"{name} {associations} {number} {one}", wish.slices, wish.edge_px)
                for one in range(associations)
            ]  # fmt: skip
            found = rate(fresh, *places[name])
            if number:  # the first warms up
                rates[name].append(found)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    print(
        f"{associations} associations of {wish.slices} slices of {wish.edge_px} x {wish.edge_px}: "
        f"door {medians['door']:.0f}/s, Orthanc alone {medians['Orthanc']:.0f}/s, "
        f"ratio {medians['door'] / medians['Orthanc']:.3f}"
    )


def main() -> None:
    """Measure each number of associations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--edge-px", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--associations", type=int, nargs="+", default=[1, 4])
    wish = parser.parse_args()
    with (
        TemporaryDirectory(prefix="dicom-node-door-") as scratch,
        Door.at(Path(scratch) / "home") as door,
    ):
        for associations in wish.associations:
            measure(door, Path(scratch), wish, associations)


if __name__ == "__main__":
    main()
