"""The research images as their manifests list them (``../shared/data/README.md``)."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dicom_node.errors import SettingsError

CXR_LABELS: Final = {
    "normal": "normal",
    "bacterial": "bacterial_pneumonia",
    "viral": "viral_pneumonia",
    "covid19": "covid19",
}
"""Manifest label to finding label; films with other labels are for evaluation only."""


@dataclass(frozen=True, slots=True)
class Item:
    """One research image: where it is, what it shows, which split its patient is in.

    ``label`` is the finding label where there is one, else the manifest's own word.
    ``official`` is the split of the published set, empty where there is none.
    """

    id: str
    file: Path
    label: str
    split: str
    set: str
    source: str
    adult: bool
    view: str
    group: str
    official: str


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    except OSError as exc:
        raise SettingsError(f"{file} cannot be read; set NODE_DATA or --data: {exc}") from exc


def films(data: Path) -> tuple[Item, ...]:
    """Return every chest film of ``data``/cxr."""
    return tuple(
        Item(
            id=row["id"],
            file=data / "cxr" / row["file"],
            label=CXR_LABELS.get(row["label"], row["label"]),
            split=row["split"],
            set=row["set"],
            source=row["source_dataset"],
            adult=row["population"].startswith("adult"),
            view=row["view"],
            group=row["patient_group"],
            official=row["kaggle_split"],
        )
        for row in _rows(data / "cxr" / "manifest.csv")
    )


def slices(data: Path) -> tuple[Item, ...]:
    """Return every single CT slice of ``data``/ct/slices."""
    return tuple(
        Item(
            id=row["id"],
            file=data / "ct" / row["file"],
            label=row["label"],
            split=row["split"],
            set="slices",
            source=row["source_dataset"],
            adult=True,
            view="axial",
            group=row["patient_group"],
            official=row["official_split"],
        )
        for row in _rows(data / "ct" / "manifest.csv")
        if row["official_split"]
    )
