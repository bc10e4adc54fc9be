"""The real CT volumes of the research data, read for training and evaluation only.

The served path goes through `dicom_node.pixels`, which rightly refuses some of these (every
slice of P002, cap002 and normal002 carries the same SOP Instance UID).
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from dicom_node.domain import Geometry, InstanceRef, Sample, StudyKind
from dicom_node.errors import SettingsError


@dataclass(frozen=True, slots=True)
class _Slice:
    file: Path
    z_mm: float
    infected: bool


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """One patient's series in Hounsfield units, head last, with slice-level labels."""

    name: str
    label: str
    sample: Sample
    infected: tuple[bool, ...]


def names(data: Path) -> tuple[str, ...]:
    """Return the names of the volumes of ``data``/ct/volumes."""
    return tuple(sorted(folder.name for folder in (data / "ct" / "volumes").iterdir()))


def _listed(data: Path, name: str) -> tuple[str, list[_Slice]]:
    manifest = data / "ct" / "manifest.csv"
    try:
        with manifest.open(newline="", encoding="utf-8") as stream:
            rows = [r for r in csv.DictReader(stream) if r["file"].startswith(f"volumes/{name}/")]
    except OSError as exc:
        raise SettingsError(f"{manifest} cannot be read; set NODE_DATA or --data: {exc}") from exc
    if not rows:
        raise SettingsError(f"{manifest} lists no volume {name}")
    slices = [
        _Slice(
            data / "ct" / row["file"],
            float(row["z_mm"]),
            row["slice_infection_label"] not in {"", "0", "0.0"},
        )
        for row in rows
    ]
    return rows[0]["label"], sorted(slices, key=lambda one: one.z_mm)


def read(data: Path, name: str) -> Volume:
    """Read one volume; raise SettingsError where it is missing."""
    label, slices = _listed(data, name)
    planes, references, spacing = [], [], (0.0, 0.0)
    for index, one in enumerate(slices):
        dataset = pydicom.dcmread(one.file)
        slope, intercept = float(dataset.RescaleSlope), float(dataset.RescaleIntercept)
        planes.append(dataset.pixel_array.astype(np.float32) * slope + intercept)
        spacing = (float(dataset.PixelSpacing[0]), float(dataset.PixelSpacing[1]))
        references.append(InstanceRef(f"2.25.{index + 1}", str(dataset.SOPClassUID), "2.25.1000"))
    sample = Sample(
        kind=StudyKind.CT,
        pixels=np.stack(planes),
        geometry=Geometry(spacing[0], spacing[1], None, tuple(one.z_mm for one in slices)),
        sources=tuple(references),
    )
    return Volume(name, label, sample, tuple(one.infected for one in slices))
