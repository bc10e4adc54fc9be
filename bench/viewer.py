"""From the click on "AI diagnosis" to the report beside the image, in Debian's Chromium.

Starts a node of its own whose intake stands still, so that nothing is read before the click; sends
films and CT series, each under UIDs of its own, opens each in the viewer, waits for its image,
presses the button, and stops the clock when the report is drawn in a second viewport.

    .venv/bin/python -m bench.viewer --count 10
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import expect
from pydicom import dcmread

from bench.latency import SOUND_VOLUMES, films
from dicom_node import uids
from dicom_node.settings import load
from tests.browsers import PATIENCE_MS, Console, chromium, new_page
from tests.nodes import LiveNode
from tests.viewers import Viewer


def copy(files: Sequence[Path], name: str, folder: Path) -> list[Path]:
    """Write a study anew under UIDs derived from ``name``."""
    written = []
    for number, file in enumerate(files):
        image = dcmread(file)
        image.StudyInstanceUID = uids.derive("bench", name)
        image.SeriesInstanceUID = uids.derive("bench", name, str(image.SeriesInstanceUID))
        image.SOPInstanceUID = uids.derive("bench", name, str(image.SOPInstanceUID))
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        written.append(folder / f"{name}-{number:03d}.dcm")
        image.save_as(written[-1], enforce_file_format=True)
    return written


def studies(data: Path, count: int, folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Return ``count`` films of the test split, and as many CT series out of three volumes."""
    for name, files in films(data, count, folder):
        yield f"CXR {name}", files
    for number, volume in enumerate(islice(cycle(SOUND_VOLUMES), count)):
        files = sorted((data / "ct" / "volumes" / volume).iterdir())
        yield f"CT {volume}", copy(files, f"{volume}-{number}", folder)


def click(viewer: Viewer, study: str) -> float | None:
    """Return seconds from the click to the report in view, None where the study was refused."""
    viewer.open(study)
    clicked = time.perf_counter()
    viewer.diagnose()
    ending = viewer.part("ending")
    expect(ending).to_be_visible(timeout=PATIENCE_MS)
    if ending.get_attribute("data-state") != "REPORTED":
        return None
    expect(viewer.viewports.nth(1)).to_contain_text("Probability", timeout=PATIENCE_MS)
    return time.perf_counter() - clicked


def measure(node: LiveNode, chosen: Iterator[tuple[str, list[Path]]]) -> dict[str, list[float]]:
    """Click through the studies; return seconds by kind."""
    found: dict[str, list[float]] = {"CXR": [], "CT": []}
    origin = f"http://127.0.0.1:{node.http_port}"
    with chromium() as browser, new_page(browser, origin, Console()) as page:
        for name, files in chosen:
            node.send(files)
            study = str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
            seconds = click(Viewer(page), study)
            told = "not reported" if seconds is None else f"{seconds:6.2f} s"
            print(f"{name:40} {told}", flush=True)
            if seconds is not None:
                found[name.split()[0]].append(seconds)
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10, help="studies of each kind")
    options = parser.parse_args()
    data = load().data.resolve()
    with TemporaryDirectory() as scratch:
        home = Path(scratch)
        with LiveNode.at(home / "node").running() as node, node.paused("intake"):
            found = measure(node, studies(data, options.count, home))
    for kind, seconds in found.items():
        if seconds:
            print(
                f"{kind}: n={len(seconds)} click to report in view: median "
                f"{statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s"
            )


if __name__ == "__main__":
    main()
