"""A JPEG or PNG picture of a film as a Computed Radiography object (PS3.3 A.2)."""

import hashlib
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from dicom_node import uids
from dicom_node.domain import RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import decode

_IMPLEMENTATION = UID(uids.derive("implementation", "dicom-node"))
_FILMS = frozenset({"CR", "DX"})
_FORMATS = {"JPEG": True, "PNG": False}
"""Formats that are read, and whether they lose something."""
_SIXTEEN_BIT = frozenset({"I", "I;16", "I;16B", "I;16L"})


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the picture does not say itself; empty values stay empty in the object.

    Without ``study_instance_uid`` one is derived from the file and the patient.
    """

    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    study_instance_uid: str = ""
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    accession_number: str = ""
    body_part: str = ""
    view_position: str = ""


def radiograph(
    image_file: Path, modality: str = "CR", attributes: Attributes | None = None
) -> Dataset:
    """Wrap a grey JPEG or PNG as a CR or DX film: MONOCHROME2, Explicit VR Little Endian.

    The same file and attributes give the same UIDs. Without a patient ID the object gets one
    from the file, so that two pictures do not become one patient.

    Raises PixelError: MODALITY_NOT_SUPPORTED (neither CR nor DX), UNDECODABLE,
    IMAGE_TOO_LARGE, SCREEN_CAPTURE (colour); OSError where the file cannot be opened.
    """
    if modality not in _FILMS:
        raise PixelError(
            RefusalCode.MODALITY_NOT_SUPPORTED, "A picture can only be read as a CR or DX film."
        )
    raw = image_file.read_bytes()
    pixels, is_lossy = _pixels(raw)
    sha = hashlib.sha256(raw).hexdigest()
    plain = attributes or Attributes()
    ds = Dataset()
    _identify(ds, sha, plain)
    _describe(ds, plain)
    _store(ds, pixels)
    ds.LossyImageCompression = "01" if is_lossy else "00"
    if is_lossy:
        ds.LossyImageCompressionRatio = f"{max(1.0, pixels.nbytes / len(raw)):.2f}"
        ds.LossyImageCompressionMethod = "ISO_10918_1"
    if modality != "CR":
        _as_dx(ds)
    ds.file_meta = _meta(ds)
    return ds


def encode(ds: Dataset) -> bytes:
    """Write a data set with file meta information to DICOM file bytes (PS3.10)."""
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _pixels(raw: bytes) -> tuple[NDArray[np.generic], bool]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(raw), formats=tuple(_FORMATS)) as opened:
                upright = ImageOps.exif_transpose(opened)
                return _grey(upright), _FORMATS[opened.format or "PNG"]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise PixelError(RefusalCode.IMAGE_TOO_LARGE, "The picture is too large.") from exc
    except UnidentifiedImageError as exc:
        raise PixelError(RefusalCode.UNDECODABLE, "The file is no JPEG or PNG picture.") from exc
    except (OSError, SyntaxError, ValueError, EOFError) as exc:
        raise PixelError(RefusalCode.UNDECODABLE, "The picture is damaged.") from exc


def _grey(image: Image.Image) -> NDArray[np.generic]:
    if image.mode in _SIXTEEN_BIT:
        return np.asarray(image).clip(0, 65535).astype("<u2")
    if image.mode == "L":
        return np.asarray(image, np.uint8)
    return decode.grey(np.asarray(image.convert("RGB"))).astype(np.uint8)


def _identify(ds: Dataset, sha: str, plain: Attributes) -> None:
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.PatientID = plain.patient_id or f"FILE-{sha[:12]}"
    ds.PatientName = plain.patient_name
    ds.PatientBirthDate = plain.patient_birth_date
    ds.PatientSex = plain.patient_sex
    parts = ("wrapped", sha, ds.PatientID)
    ds.StudyInstanceUID = plain.study_instance_uid or uids.derive(*parts, "study")
    ds.SeriesInstanceUID = uids.derive(*parts, ds.StudyInstanceUID, "series")
    ds.SOPInstanceUID = uids.derive(*parts, ds.StudyInstanceUID, "instance")
    ds.StudyID = plain.study_id
    ds.StudyDate = plain.study_date
    ds.StudyTime = plain.study_time
    ds.AccessionNumber = plain.accession_number
    ds.ReferringPhysicianName = ""
    if plain.study_description:
        ds.StudyDescription = plain.study_description


def _describe(ds: Dataset, plain: Attributes) -> None:
    ds.Modality = "CR"
    ds.SeriesNumber = 1
    ds.InstanceNumber = 1
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.DerivationDescription = "Wrapped from a picture file"
    ds.Manufacturer = "dicom-node"
    ds.ManufacturerModelName = "dicom-node wrap"
    ds.BodyPartExamined = plain.body_part
    ds.ViewPosition = plain.view_position
    ds.Laterality = ""
    ds.PatientOrientation = ""


def _as_dx(ds: Dataset) -> None:
    """Turn the CR film into a DX one (PS3.3 A.26), which is for a reader's eye."""
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    ds.Modality = "DX"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.PresentationLUTShape = "IDENTITY"
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.ImageLaterality = "U"


def _store(ds: Dataset, pixels: NDArray[np.generic]) -> None:
    bits = pixels.dtype.itemsize * 8
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = bits
    ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = 0
    data = pixels.tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"  # noqa: PLR2004 (PS3.5 A.2)


def _meta(ds: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.ImplementationVersionName = "DICOM_NODE"
    return meta
