"""Small images for tests, built in memory; no patient's."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
)

from dicom_node import policy, uids
from dicom_node.pixels.load import Loaded, refer

LIMITS = policy.load().limits.model_copy(
    update={"ct_min_slices": 4, "ct_max_slices": 60, "min_edge_px": 16}
)
AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)

Stored = NDArray[np.generic]


def film(pixels: Stored | None = None, **changes: Any) -> Dataset:
    """Build a CR film; ``changes`` set attributes, None removes one."""
    ds = image(gradient() if pixels is None else pixels)
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.Modality = "CR"
    return changed(ds, changes)


def axial(z_mm: float, pixels: Stored | None = None, **changes: Any) -> Dataset:
    """Build one axial CT slice at ``z_mm``."""
    ds = image(chest_slice() if pixels is None else pixels)
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = uids.derive("slice", repr(z_mm), str(changes.get("SeriesInstanceUID")))
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImageOrientationPatient = list(AXIAL)
    ds.ImagePositionPatient = [-10.0, -10.0, z_mm]
    ds.PixelSpacing = [8.0, 8.0]
    ds.SliceThickness = "99"
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    return changed(ds, changes)


def image(pixels: Stored) -> Dataset:
    """Build an image object around stored pixels of any integer type."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.StudyInstanceUID = uids.derive("study")
    ds.SeriesInstanceUID = uids.derive("series")
    ds.SOPInstanceUID = uids.derive("instance")
    ds.PatientID = "SYNTHETIC-1"
    ds.PatientName = "SYNTHETIC^Test"
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[:2]
    bits = pixels.dtype.itemsize * 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW" if bits == 16 else "OB"
    return ds


def changed(ds: Dataset, changes: dict[str, Any]) -> Dataset:
    """Set attributes by keyword; None removes one."""
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def gradient(rows: int = 32, columns: int = 24) -> NDArray[np.uint16]:
    """Return 12-bit greys that rise along both axes."""
    rise = np.add.outer(np.arange(rows), np.arange(columns)) * 4000 // (rows + columns)
    return rise.astype(np.uint16)


def chest_slice(size: int = 32, lung: int = 8, noise: float = 0.0) -> NDArray[np.uint16]:
    """Return stored CT values: a body of water with ``lung`` columns of lung, in air."""
    hu = np.full((size, size), -1000.0)
    hu[4:-4, 4:-4] = 40
    hu[10:-10, 6 : 6 + lung] = -850
    hu += np.random.default_rng(1).normal(0, 1, hu.shape) * noise
    return (hu + 1024).clip(0).astype(np.uint16)


def series(positions: Iterable[float], name: str = "a", **changes: Any) -> list[Loaded]:
    """Build and load one axial series."""
    uid = uids.derive("series", name)
    return [loaded(axial(z, **{"SeriesInstanceUID": uid, **changes})) for z in positions]


def loaded(ds: Dataset) -> Loaded:
    """Name a data set as the archive would."""
    return Loaded(refer(ds), ds)


def encoded(ds: Dataset) -> bytes:
    """Write a data set to DICOM file bytes."""
    buffer = BytesIO()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def places(found: Sequence[Loaded]) -> list[float]:
    """Return each slice's z."""
    return [float(one.dataset.ImagePositionPatient[2]) for one in found]
