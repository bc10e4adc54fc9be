"""Studies to send again and again to a real node, and what is live in its archive afterwards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset

from dicom_node import uids
from dicom_node.intake.beginning import CURSOR
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.phantom.samples import ct_series, frontal
from dicom_node.pixels.wrap import encode
from tests.nodes import LiveNode, NotYetError, eventually
from tests.predecessors import not_replaced

REPORT = "1.2.840.10008.5.1.4.1.1.88.34"
Change = Callable[[Dataset], None]


@dataclass(frozen=True)
class Study:
    """A study in memory, and how often its files have been written."""

    images: tuple[Dataset, ...]
    folder: Path

    @property
    def uid(self) -> str:
        """Return its Study Instance UID."""
        return str(self.images[0].StudyInstanceUID)

    def files(self, *, change: Change = lambda _: None, only: slice = slice(None)) -> list[Path]:
        """Write the images of a slice, each changed, into a fresh folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / f"{len(list(self.folder.iterdir())):03d}"
        place.mkdir()
        written = []
        for index, image in enumerate(self.images[only]):
            copy = deepcopy(image)
            change(copy)
            file = place / f"{index:04d}.dcm"
            file.write_bytes(encode(copy))
            written.append(file)
        return written


class Studies:
    """Renders a film and a CT once, and gives out copies under UIDs of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._film = tuple(frontal(31)[1])
        self._ct = tuple(ct_series(31)[1])

    def film(self, name: str) -> Study:
        """Return a frontal film."""
        return self._named(name, self._film)

    def ct(self, name: str) -> Study:
        """Return a chest CT, 48 slices."""
        return self._named(name, self._ct)

    def _named(self, name: str, images: Sequence[Dataset]) -> Study:
        renamed = []
        for image in images:
            copy = deepcopy(image)
            for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
                setattr(copy, keyword, uids.derive(name, getattr(image, keyword)))
            copy.PatientID = f"SYNTHETIC-{name}"[:64]
            renamed.append(copy)
        return Study(tuple(renamed), self._folder / name)


def other_pixels(image: Dataset) -> None:
    """Darken a strip: the same UIDs, other pixels."""
    pixels = np.frombuffer(image.PixelData, np.uint16).reshape(image.Rows, image.Columns).copy()
    pixels[500:520] = pixels[500:520] // 2
    image.PixelData = pixels.tobytes()


def reports(node: LiveNode, study: str) -> list[Dataset]:
    """Return our reports of a study that the archive holds."""
    held = [one for uid in node.reports(study) for one in node.stored(uid)]
    return [
        one for one in held if one.SOPClassUID == REPORT and "RESEARCH" in one.SeriesDescription
    ]


def live(node: LiveNode, study: str) -> list[Dataset]:
    """Return the reports that no other report in the archive names as its predecessor."""
    return not_replaced(reports(node, study))


@contextmanager
def opened(node: LiveNode) -> Iterator[Ledger]:
    """Open the ledger of a running node."""
    ledger = open_ledger(node.settings().database)
    try:
        yield ledger
    finally:
        ledger.close()


def settled(node: LiveNode, uid: str, *, runs: int = 0) -> dict[str, Any]:
    """Wait until the archive has told all of a study, intake has heard it, and it has ended."""
    with opened(node) as ledger:
        for attempt in eventually():
            with attempt:
                if not all(node.get(f"/studies/{s}").json()["IsStable"] for s in _held(node, uid)):
                    raise NotYetError(f"{uid} is not stable")
                last = node.get("/changes?last").json()["Last"]
        for attempt in eventually():
            with attempt:
                if ledger.studies.cursor(CURSOR) < last:
                    raise NotYetError("intake has not heard all")
                if uid in ledger.studies.due(datetime.max.replace(tzinfo=UTC)):
                    raise NotYetError(f"{uid} waits")
    return node.final(uid, runs=runs)


def _held(node: LiveNode, uid: str) -> list[str]:
    return node.lookup(uid, "Study")
