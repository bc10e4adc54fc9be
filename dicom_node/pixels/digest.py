"""A fingerprint of what an image shows."""

import hashlib

from pydicom.dataset import Dataset

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


def pixel_digest(dataset: Dataset) -> str:
    """Hash the pixels of an image and what they mean to a SHA-256 hex digest.

    The same image with a corrected patient name has the same digest; another window, spacing
    or position another one. Raises PixelError where such an attribute cannot be read.
    """
    sha = hashlib.sha256()
    _add(sha, header.transfer_syntax(dataset).encode())
    for keyword in _MEANING:
        _add(sha, _bytes(dataset, keyword))
    for keyword in _TABLES:
        for item in header.items(dataset, keyword):
            _add(sha, _bytes(item, "LUTDescriptor"))
            _add(sha, header.binary(item, "LUTData"))
    for keyword in _PIXELS:
        _add(sha, header.binary(dataset, keyword))
    return sha.hexdigest()


def _bytes(dataset: Dataset, keyword: str) -> bytes:
    """Return the text of an attribute; one of a hostile character set may hold surrogates."""
    return header.text(dataset, keyword).encode("utf-8", "surrogatepass")


def _add(sha: "hashlib._Hash", part: bytes) -> None:
    # The length first: no two lists of parts run together to the same bytes.
    sha.update(len(part).to_bytes(8, "big"))
    sha.update(part)
