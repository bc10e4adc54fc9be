"""Whether an instance is an axial CT slice, told from its header."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    SecondaryCaptureImageStorage,
)

from dicom_node.domain import Refusal, RefusalCode
from dicom_node.errors import PixelError
from dicom_node.pixels import header
from dicom_node.pixels.geometry import Orientation, Plane, plane
from dicom_node.pixels.load import Loaded

_ENHANCED = frozenset({EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage})
_MOST_SCOUTS = 3
"""A scout series holds a frontal and a lateral view, now and then one more."""

_SCOUT_WORDS = frozenset({"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW"})
_CAPTURE_WORDS = frozenset({"SCREEN SAVE", "SCREENSAVE", "SCREEN_CAPTURE", "DOSE", "DOSE_INFO"})
_PROJECTION_WORDS = frozenset({
    "MIP", "MINIP", "MAX_IP", "MIN_IP", "PROJECTION IMAGE", "PROJECTION", "VRT", "SSD", "VOLREN",
})  # fmt: skip
_REFORMAT_WORDS = frozenset({"REFORMATTED", "MPR", "DERIVED"})
_PROJECTION_NAME = re.compile(r"\bM(?:IN|AX)?IP\b", re.IGNORECASE)
_CAPTURE_NAME = re.compile(r"dose (?:report|info)|patient protocol|screen ?(?:save|shot)", re.I)


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """One axial slice with its place in the patient."""

    loaded: Loaded
    plane: Plane
    matrix: tuple[int, int]


def axial(
    series: Sequence[Loaded],
) -> tuple[tuple[Slice, ...], tuple[tuple[str, Refusal], ...]]:
    """Part the axial slices of a series from what it holds besides.

    Returns the slices in the order given, and for every other instance its SOP Instance UID and
    a refusal: SCOUT,
    NOT_AXIAL, SCREEN_CAPTURE, MULTIFRAME_NOT_SUPPORTED, NO_ELIGIBLE_SERIES (projections such
    as MIP), INCONSISTENT_HEADER, MODALITY_NOT_SUPPORTED, SOP_CLASS_NOT_SUPPORTED.
    """
    slices: list[Slice] = []
    refusals: list[tuple[str, Refusal]] = []
    for loaded in series:
        try:
            at = _axial_plane(loaded.dataset, len(series))
            slices.append(Slice(loaded, at, _matrix(loaded.dataset)))
        except PixelError as exc:
            why = Refusal(RefusalCode(exc.code), exc.reason)
            refusals.append((loaded.ref.sop_instance_uid, why))
    return tuple(slices), tuple(refusals)


def commonest(refusals: Iterable[Refusal]) -> Refusal:
    """Return the refusal given most often, the first of equals."""
    return Counter(refusals).most_common(1)[0][0]


def image_type(ds: Dataset) -> frozenset[str]:
    """Return the words of Image Type, upper case; vendors add sub-types after a space."""
    values = [value.upper() for value in header.told(ds, "ImageType").split("\\")]
    return frozenset(values) | {word for value in values for word in value.split()}


def _axial_plane(ds: Dataset, instances_in_series: int) -> Plane:
    _check_object(ds)
    words = image_type(ds)
    if words & _SCOUT_WORDS:
        raise PixelError(RefusalCode.SCOUT, "The series is a scout (localizer), not slices.")
    description = header.told(ds, "SeriesDescription")
    if words & _CAPTURE_WORDS or _CAPTURE_NAME.search(description):
        raise _capture()
    if words & _PROJECTION_WORDS or _PROJECTION_NAME.search(description):
        raise PixelError(
            RefusalCode.NO_ELIGIBLE_SERIES, "The series holds projections (MIP), not slices."
        )
    found = plane(ds)
    if found is None:
        raise PixelError(
            RefusalCode.INCONSISTENT_HEADER, "The CT images do not say where their slices lie."
        )
    if found.orientation is Orientation.AXIAL:
        return found
    if instances_in_series <= _MOST_SCOUTS and not words & _REFORMAT_WORDS:
        raise PixelError(
            RefusalCode.SCOUT, f"The series is a {found.orientation} overview image, not slices."
        )
    raise PixelError(
        RefusalCode.NOT_AXIAL, f"The series is {found.orientation}; axial slices are needed."
    )


def _matrix(ds: Dataset) -> tuple[int, int]:
    return header.required_integer(ds, "Rows"), header.required_integer(ds, "Columns")


def _check_object(ds: Dataset) -> None:
    modality, sop_class = header.text(ds, "Modality"), header.text(ds, "SOPClassUID")
    if modality != "CT":
        raise PixelError(
            RefusalCode.MODALITY_NOT_SUPPORTED, f"Modality {modality or '(none)'} is not CT."
        )
    if sop_class in _ENHANCED:
        raise PixelError(
            RefusalCode.MULTIFRAME_NOT_SUPPORTED, "Enhanced (multi-frame) CT is not read."
        )
    if sop_class == SecondaryCaptureImageStorage and _is_capture(ds):
        raise _capture()
    if sop_class != CTImageStorage:
        raise PixelError(
            RefusalCode.INCONSISTENT_HEADER,
            "The header says modality CT, but the object is not a CT image.",
        )


def _is_capture(ds: Dataset) -> bool:
    """Whether a Secondary Capture says that it is one.

    Conversion Type is mandatory there (PS3.3 C.8.6.1): without it, and in grey, the object is a
    projection film with a wrong modality rather than a page of the scanner's console.
    """
    return bool(header.told(ds, "ConversionType")) or header.integer(ds, "SamplesPerPixel") == 3  # noqa: PLR2004


def _capture() -> PixelError:
    return PixelError(
        RefusalCode.SCREEN_CAPTURE, "The series holds a screen capture or a dose page, not slices."
    )
