"""Which objects of a study may be exported, and why others may not."""

from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

_IMAGES: Final = frozenset({"CR", "DX", "CT"})
_CAPTURE: Final = frozenset({"SCREEN SAVE", "SCREENSAVE", "SCREEN_CAPTURE", "DOSE", "DOSE_INFO"})

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
    if instance.get("Modality") not in _IMAGES or "PixelData" not in instance:
        return DOCUMENT
    if burned_in_too:
        return None
    if instance.get("BurnedInAnnotation") == "YES":
        return BURNED_IN
    kind = {str(word).upper() for word in instance.get("ImageType") or ()}
    if kind & _CAPTURE or (
        instance.get("SOPClassUID") == SecondaryCaptureImageStorage
        and instance.get("ConversionType") in {"WSD", "DV", "DI", "SYN", "SD", "SI"}
    ):
        return CAPTURE
    return None


def shown(heatmap: Dataset) -> frozenset[str]:
    """Return the SOP Instance UIDs of the images that a derived picture shows."""
    return frozenset(
        str(item.ReferencedSOPInstanceUID) for item in heatmap.get("SourceImageSequence") or ()
    )
