"""A fingerprint of what an image shows."""

import hashlib

from pydicom.dataset import Dataset

from dicom_node.errors import PixelError
from dicom_node.pixels import header

_MEANING = (
    "Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsAllocated", "BitsStored",
    "HighBit", "PixelRepresentation", "PhotometricInterpretation", "PlanarConfiguration",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleIntercept", "RescaleSlope",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape", "PixelSpacing",
    "ImagerPixelSpacing", "ImagePositionPatient", "ImageOrientationPatient",
)  # fmt: skip
"""The attributes that decide what the stored numbers mean; never demographics or dates."""

_TABLES = ("ModalityLUTSequence", "VOILUTSequence")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


_WHOSE = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "AccessionNumber", "StudyID", "StudyDate", "StudyTime", "StudyDescription",
    "ReferringPhysicianName",
)  # fmt: skip
"""The attributes of patient and study that a report repeats and people go by."""


def image_digest(dataset: Dataset) -> str:
    """Hash what an image shows and whose it is to a SHA-256 hex digest.

    Text counts as it reads, not as it is encoded: the same name in another character set is the
    same. Raises PixelError as `pixel_digest` does.
    """
    sha = hashlib.sha256()
    _add(sha, pixel_digest(dataset).encode())
    for keyword in _WHOSE:
        _add(sha, _written(dataset, keyword))
    return sha.hexdigest()


def _written(dataset: Dataset, keyword: str) -> bytes:
    """Return a value's text, or its bytes where they are no text: no reason not to read on.

    One of a hostile character set may hold surrogates.
    """
    try:
        return header.text(dataset, keyword).encode("utf-8", "surrogatepass")
    except PixelError:
        return repr(dataset.get_item(keyword).value).encode()


def pixel_digest(dataset: Dataset) -> str:
    """Hash the pixels of an image and what they mean to a SHA-256 hex digest.

    The same image with a corrected patient name has the same digest; another window, spacing
    or position another one. What cannot be read counts as it is stored, so that a window that
    is no number refuses no image. Raises PixelError where the pixels cannot be read.
    """
    sha = hashlib.sha256()
    _add(sha, header.transfer_syntax(dataset).encode())
    for keyword in _MEANING:
        _add(sha, _written(dataset, keyword))
    for keyword in _TABLES:
        for part in _table(dataset, keyword):
            _add(sha, part)
    for keyword in _PIXELS:
        _add(sha, header.binary(dataset, keyword))
    return sha.hexdigest()


def _table(dataset: Dataset, keyword: str) -> list[bytes]:
    """Return descriptor and data of each look-up table, or how they are stored."""
    try:
        return [
            part
            for item in header.items(dataset, keyword)
            for part in (_written(item, "LUTDescriptor"), header.binary(item, "LUTData"))
        ]
    except PixelError:
        return [repr(dataset.get_item(keyword).value).encode()]


def _add(sha: "hashlib._Hash", part: bytes) -> None:
    # The length first: no two lists of parts run together to the same bytes.
    sha.update(len(part).to_bytes(8, "big"))
    sha.update(part)
