"""Synthetic images as DICOM objects, each marked SYNTHETIC wherever a reader may look."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from dicom_node import uids
from dicom_node.phantom.volume import Array, Volume

_IMPLEMENTATION = UID(uids.derive("implementation", "dicom-node"))
Pixels = NDArray[np.uint16] | NDArray[np.int16]

_MARK = "SYNTHETIC"
_BITS = 12
_DATE, _TIME = "20260101", "080000"
_CT_INTERCEPT = -1024


@dataclass(frozen=True, slots=True)
class Label:
    """Which study of which seed an object belongs to, and what it shows."""

    name: str
    seed: int
    description: str
    body_part: str
    view_position: str = ""
    patient_orientation: tuple[str, str] = ("L", "F")
    laterality: str = ""

    def uid(self, *parts: str) -> str:
        """Derive a UID of this study; the same seed gives the same."""
        return uids.derive("phantom", self.name, str(self.seed), *parts)

    @property
    def study_instance_uid(self) -> str:
        """The study's UID."""
        return self.uid("study")


def dx(label: Label, film: Array, spacing_mm: float) -> Dataset:
    """Wrap a film (0 to 4095) as Digital X-Ray, For Presentation (PS3.3 A.26)."""
    ds = _film(label, film, spacing_mm)
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.Modality = "DX"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.ImageLaterality = "U"
    ds.DetectorType = "DIRECT"
    ds.PositionerType = ""
    ds.FieldOfViewOrigin = [0.0, 0.0]
    ds.FieldOfViewRotation = "0"
    ds.FieldOfViewHorizontalFlip = "NO"
    ds.AnatomicRegionSequence = _code("43799004", "SCT", "Thoracic cavity structure")
    ds.ViewCodeSequence = _code("399348003", "SCT", "postero-anterior")
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence()
    ds.AcquisitionContextSequence = Sequence()
    return _finished(ds)


def cr(label: Label, film: Array, spacing_mm: float) -> Dataset:
    """Wrap a film (0 to 4095) as Computed Radiography (PS3.3 A.2)."""
    ds = _film(label, film, spacing_mm)
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.Modality = "CR"
    ds.PlateType, ds.PhosphorType = "", ""
    if label.laterality:
        ds.Laterality = label.laterality
    return _finished(ds)


def ct(label: Label, volume: Volume, noise: Array) -> Iterator[Dataset]:
    """Yield a volume as axial CT slices (PS3.3 A.3), Hounsfield units, from feet to head."""
    for index, z in enumerate(volume.z):
        ds = _study(label, f"slice {index}")
        ds.SOPClassUID = CTImageStorage
        ds.Modality = "CT"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.InstanceNumber = index + 1
        ds.AcquisitionNumber = 1
        ds.PatientPosition = "HFS"
        ds.FrameOfReferenceUID = label.uid("frame of reference")
        ds.PositionReferenceIndicator = ""
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        origin = (float(volume.x[0]), float(volume.y[0]), float(z))
        ds.ImagePositionPatient = [f"{value:.3f}" for value in origin]
        ds.SliceLocation = f"{float(z):.3f}"
        ds.PixelSpacing = [f"{volume.step_mm[1]:.6f}", f"{volume.step_mm[0]:.6f}"]
        ds.SliceThickness = "2"
        ds.KVP = "120"
        ds.ConvolutionKernel = "STANDARD"
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = str(_CT_INTERCEPT), "1", "HU"
        ds.WindowCenter, ds.WindowWidth = "-600", "1500"
        units = np.clip(volume.hu[index] + noise[index], _CT_INTERCEPT, 3071)
        _store(ds, np.rint(units - _CT_INTERCEPT).astype("<i2"), bits_stored=16, signed=True)
        yield _finished(ds)


def _film(label: Label, film: Array, spacing_mm: float) -> Dataset:
    ds = _study(label, "film")
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.InstanceNumber = 1
    ds.ViewPosition = label.view_position
    ds.PatientOrientation = list(label.patient_orientation)
    ds.ImagerPixelSpacing = [f"{spacing_mm:.5f}"] * 2
    ds.KVP = "120"
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.WindowCenter, ds.WindowWidth = "2048", "4096"
    _store(ds, _marked(film), bits_stored=_BITS, signed=False)
    return ds


def _study(label: Label, instance: str) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPInstanceUID = label.uid(instance)
    ds.StudyInstanceUID = label.study_instance_uid
    ds.SeriesInstanceUID = label.uid("series")
    ds.PatientName = f"{_MARK}^{label.name.title()}"
    ds.PatientID = f"{_MARK}-{label.seed}-{label.name.upper()}"
    ds.PatientBirthDate, ds.PatientSex = "", "O"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = _DATE
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = _TIME
    ds.StudyID, ds.SeriesNumber = str(label.seed), 1
    ds.AccessionNumber = f"SYN{uids.digest([label.name, str(label.seed)])[:10].upper()}"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = f"{_MARK} {label.description}"
    ds.SeriesDescription = f"{_MARK} {label.description}"
    ds.ImageComments = f"{_MARK}: analytic phantom, no patient"
    ds.BodyPartExamined = label.body_part
    ds.Manufacturer = "dicom-node"
    ds.ManufacturerModelName = "analytic phantom"
    ds.DeviceSerialNumber = str(label.seed)
    ds.SoftwareVersions = "1"
    return ds


def _marked(film: Array) -> Pixels:
    """Burn the word SYNTHETIC into the lower left corner, small, as a technologist's mark."""
    rows, columns = film.shape
    canvas = Image.new("L", (columns, rows))
    size = rows // 52
    ImageDraw.Draw(canvas).text(
        (size, rows - 2 * size), _MARK, fill=255, font=ImageFont.load_default(size)
    )
    mark = np.asarray(canvas, np.float32) * (2**_BITS - 1) / 255
    marked: Pixels = np.rint(np.maximum(film, mark)).astype("<u2")
    return marked


def _store(
    ds: Dataset, pixels: Pixels, *, bits_stored: int,
    signed: bool,
) -> None:  # fmt: skip
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits_stored, bits_stored - 1
    ds.PixelRepresentation = int(signed)
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"


def _finished(ds: Dataset) -> Dataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.ImplementationVersionName = "DICOM_NODE"
    ds.file_meta = meta
    return ds


def _code(value: str, scheme: str, meaning: str) -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])
