"""Which objects of a study may be exported, and why others may not."""

from typing import Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

_IMAGES: Final = frozenset({"CR", "DX", "CT"})
_CAPTURE: Final = frozenset({"SCREEN SAVE", "SCREENSAVE", "SCREEN_CAPTURE", "DOSE", "DOSE_INFO"})
_CONVERTED: Final = frozenset({"WSD", "DV", "DI", "SYN", "SD", "SI"})
_FRAMES: Final = frozenset({
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
})  # fmt: skip
"""Secondary captures of several frames: screens, scans and clips."""

DOCUMENT: Final = (
    "it is no image of the kinds that this node reads; reports, documents and captures of other "
    "systems hold words that no profile can clean"
)
BURNED_IN: Final = "its header says that words are burned into the picture"
CAPTURE: Final = "it is a screen capture, and words may be burned into the picture"
UNDECODED: Final = (
    "its pixel data cannot be decoded, so it cannot be written without what is hidden"
)
SHOWS_LEFT_OUT: Final = "it shows an image that was left out"


def left_out(instance: Dataset, *, burned_in_too: bool) -> str | None:
    """Say why an object of another system is not exported; None where it is."""
    modality = _words(instance, "Modality")
    if len(modality) != 1 or not modality <= _IMAGES or "PixelData" not in instance:
        return DOCUMENT
    if burned_in_too:
        return None
    if "YES" in _words(instance, "BurnedInAnnotation"):
        return BURNED_IN
    sop_class = _words(instance, "SOPClassUID")
    converted = SecondaryCaptureImageStorage in sop_class and _CONVERTED & _words(
        instance, "ConversionType"
    )
    if _CAPTURE & _words(instance, "ImageType") or sop_class & _FRAMES or converted:
        return CAPTURE
    return None


def _words(instance: Dataset, keyword: str) -> frozenset[str]:
    """Return the values of an attribute, be they one or many, whatever its sender made of it."""
    value = instance.get(keyword)
    many = value if isinstance(value, MultiValue) else [value or ""]
    return frozenset(str(one).strip().upper() for one in many)


def shown(heatmap: Dataset) -> frozenset[str]:
    """Return the SOP Instance UIDs of the images that a derived picture shows."""
    return frozenset(
        str(item.ReferencedSOPInstanceUID) for item in heatmap.get("SourceImageSequence") or ()
    )
