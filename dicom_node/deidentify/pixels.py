"""Pixel data without what may be hidden in it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import VR

from dicom_node.errors import ExportError

_PIXEL_DATA: Final = 0x7FE00010
_BYTE: Final = 8


def store(image: Dataset, values: NDArray[np.int32]) -> None:
    """Store decoded values plain, and nothing beside them.

    A JPEG or JPEG 2000 stream has room for comments and EXIF, native pixel data may be longer than
    the image, and old overlays lie in bits above Bits Stored: ``values`` has none of that. Raises
    ExportError where the stored bits are not the lowest, so that an overlay may lie below them.
    """
    stored, allocated = int(image.BitsStored), int(image.BitsAllocated)
    is_native = not image.file_meta.TransferSyntaxUID.is_encapsulated
    if is_native and image.get("HighBit") != stored - 1:
        raise ExportError("its High Bit leaves room for what is hidden below the pixels")
    kind = "i" if image.PixelRepresentation else "u"
    data = values.astype(f"<{kind}{allocated // _BYTE}").tobytes()
    vr = VR.OW if allocated > _BYTE else VR.OB
    image.add_new(_PIXEL_DATA, vr, data + b"\0" * (len(data) % 2))
    image.HighBit = stored - 1
    if values.ndim == 3:  # noqa: PLR2004  # rows, columns, samples: the decoder gives RGB
        image.PhotometricInterpretation, image.PlanarConfiguration = "RGB", 0
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
