"""A projection film as grey values from 0 (air, dark) to 1 (bone, bright)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_windowing
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from dicom_node.damage import UNREADABLE
from dicom_node.domain import Geometry, RefusalCode, Sample, StudyKind
from dicom_node.errors import PixelError
from dicom_node.pixels import decode, header, tables
from dicom_node.pixels.load import Loaded
from dicom_node.policy import Limits

_MODALITIES = frozenset({"CR", "DX"})
_FILMS = frozenset({
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
})  # fmt: skip
_NOT_A_FILM = frozenset({"DV", "SD", "SI", "DRW", "SYN"})
"""Conversion Types of what was never a film: video, scans, drawings (PS3.3 C.8.6.1)."""
_CAPTURE_WORDS = ("SCREEN", "CAPTURE", "DOSE")

_PERCENTILES = (0.1, 99.9)
_FEWEST_LEVELS = 8
"""A film shows hundreds of grey levels; fewer than this between the percentiles is blank."""
_MOST_CLIPPED = 0.5
"""A window that flattens more of the film than this does not belong to it."""

Grey = NDArray[np.float32]


def film(loaded: Loaded, limits: Limits) -> Sample:
    """Turn one CR or DX instance into a sample: float32 (rows, columns), 0 to 1.

    Stored values go through modality LUT or rescale (PS3.3 C.11.1) and the VOI LUT or window
    (C.11.2) where it leaves most of the film apart, are turned so that bone is bright
    (MONOCHROME1), and are scaled between robust percentiles. Padding becomes 0. Whether the
    header's photometric interpretation is true cannot be known here: the gate looks.

    Raises PixelError: as `decode.frame`, and MODALITY_NOT_SUPPORTED, SOP_CLASS_NOT_SUPPORTED,
    SCREEN_CAPTURE, IMAGE_TOO_SMALL, BLANK_IMAGE, INCONSISTENT_HEADER.
    """
    ds = loaded.dataset
    check_header(ds)
    decode.check(ds, limits)
    if min(ds.Rows, ds.Columns) < limits.min_edge_px:
        raise PixelError(
            RefusalCode.IMAGE_TOO_SMALL,
            f"The image is {ds.Columns} x {ds.Rows} pixels; at least {limits.min_edge_px} are "
            "needed in each direction.",
        )
    stored = decode.frame(ds, limits)
    padding = _padding(stored, ds)
    return Sample(
        kind=StudyKind.CXR,
        pixels=_scaled(_presented(stored, padding, ds), padding),
        geometry=_spacing(ds),
        sources=(loaded.ref,),
        hints=_hints(ds),
    )


def check_header(ds: Dataset) -> None:
    """Refuse what is no film by its modality, SOP class or conversion; raises PixelError."""
    modality, sop_class = header.text(ds, "Modality"), header.text(ds, "SOPClassUID")
    if modality not in _MODALITIES:
        raise PixelError(
            RefusalCode.MODALITY_NOT_SUPPORTED, f"Modality {modality or '(none)'} is not a film."
        )
    if sop_class in _FILMS:
        return
    if sop_class != SecondaryCaptureImageStorage:
        raise PixelError(
            RefusalCode.SOP_CLASS_NOT_SUPPORTED,
            f"An object of this SOP class is not read as a {modality} film.",
        )
    image_type = header.told(ds, "ImageType").upper()
    if header.told(ds, "ConversionType") in _NOT_A_FILM or any(
        word in image_type for word in _CAPTURE_WORDS
    ):
        raise PixelError(
            RefusalCode.SCREEN_CAPTURE, "The image is a capture of a screen or of a document."
        )


def _presented(stored: NDArray[np.int32], padding: NDArray[np.bool_], ds: Dataset) -> Grey:
    values = _modality_values(stored, ds)
    if _is_linear_exposure(ds):
        values = np.log1p(np.maximum(values, 0))
    elif header.text(ds, "PhotometricInterpretation") in decode.GREY:
        values = _windowed(values, padding, ds)
    grey = values.astype(np.float32)
    return -grey if header.text(ds, "PhotometricInterpretation") == "MONOCHROME1" else grey


def _modality_values(stored: NDArray[np.int32], ds: Dataset) -> NDArray[np.generic]:
    if header.items(ds, "ModalityLUTSequence"):
        return tables.applied(stored, ds, "ModalityLUTSequence")
    try:
        return np.asarray(apply_modality_lut(stored, ds))
    except UNREADABLE as exc:
        raise header.refuse("RescaleSlope or RescaleIntercept", "cannot be read") from exc


def _is_linear_exposure(ds: Dataset) -> bool:
    """Whether values are proportional to exposure, not yet to density (PS3.3 C.8.11.3.1.2)."""
    return (
        header.text(ds, "SOPClassUID") == DigitalXRayImageStorageForProcessing
        and header.text(ds, "PixelIntensityRelationship") == "LIN"
    )


def _windowed(
    values: NDArray[np.generic], padding: NDArray[np.bool_], ds: Dataset
) -> NDArray[np.generic]:
    """Show values through the VOI LUT, else the window, else as they are.

    Neither is needed to see a film: one that cannot be read, or flattens it, is passed over.
    """
    for shown in (_through_table(values, ds), _through_window(values, ds)):
        if shown is not None and _leaves_apart(shown, padding):
            return shown
    return values


def _through_table(values: NDArray[np.generic], ds: Dataset) -> NDArray[np.generic] | None:
    try:
        if not header.items(ds, "VOILUTSequence"):
            return None
        whole = np.rint(values.astype(np.float64)).astype(np.int32)
        return tables.applied(whole, ds, "VOILUTSequence")
    except PixelError:
        return None


def _through_window(values: NDArray[np.generic], ds: Dataset) -> NDArray[np.generic] | None:
    width = header.told_number(ds, "WindowWidth")
    if width is None or width <= 1 or header.told_number(ds, "WindowCenter") is None:
        return None
    try:
        return np.asarray(apply_windowing(values, ds, index=0))
    except UNREADABLE:
        return None


def _leaves_apart(shown: NDArray[np.generic], padding: NDArray[np.bool_]) -> bool:
    visible = shown[~padding] if padding.any() else shown
    if visible.size == 0:
        return False
    flat = np.mean((visible == visible.min()) | (visible == visible.max()))
    return float(flat) <= _MOST_CLIPPED


def _padding(stored: NDArray[np.int32], ds: Dataset) -> NDArray[np.bool_]:
    first = header.told_number(ds, "PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, np.bool_)
    last = header.told_number(ds, "PixelPaddingRangeLimit")
    low, high = sorted((first, first if last is None else last))
    return (stored >= low) & (stored <= high)


def _scaled(grey: Grey, padding: NDArray[np.bool_]) -> Grey:
    visible = grey[~padding]
    if visible.size:
        low, high = np.percentile(visible[:: max(1, visible.size // 1_000_000)], _PERCENTILES)
        levels = np.unique(visible[:: max(1, visible.size // 100_000)]).size
    if not visible.size or levels < _FEWEST_LEVELS or high <= low:
        raise PixelError(RefusalCode.BLANK_IMAGE, "The image is blank.")
    scaled: Grey = np.clip((grey - low) / (high - low), 0, 1).astype(np.float32)
    scaled[padding] = 0
    return scaled


def _spacing(ds: Dataset) -> Geometry:
    """Return the spacing in the patient where calibrated, else that at the detector."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        try:
            spacing = header.vector(ds, keyword, 2)
        except PixelError:  # a film's size only informs
            continue
        if spacing and min(spacing) > 0:
            return Geometry(row_spacing_mm=spacing[0], column_spacing_mm=spacing[1])
    return Geometry()


def _hints(ds: Dataset) -> dict[str, str]:
    claims = {
        "modality": "Modality",
        "body_part": "BodyPartExamined",
        "view_position": "ViewPosition",
        "patient_position": "PatientPosition",
        "photometric": "PhotometricInterpretation",
        "presentation_intent": "PresentationIntentType",
    }
    found = {name: header.told(ds, keyword) for name, keyword in claims.items()}
    return {name: value for name, value in found.items() if value}
