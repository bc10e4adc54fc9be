from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from dicom_node.domain import RefusalCode, Sample, StudyKind
from dicom_node.errors import PixelError
from dicom_node.pixels import cxr
from tests.images import LIMITS, film, gradient, loaded


def _film(ds: Dataset) -> Sample:
    return cxr.film(loaded(ds), LIMITS)


def _code(ds: Dataset) -> str:
    with pytest.raises(PixelError) as refused:
        _film(ds)
    return refused.value.code


def test_film_spans_dark_to_bright() -> None:
    sample = _film(film())
    assert sample.kind is StudyKind.CXR
    assert sample.pixels.dtype == np.float32
    assert (sample.pixels.min(), sample.pixels.max()) == (0, 1)
    assert sample.pixels[0, 0] < sample.pixels[-1, -1]
    assert [ref.sop_instance_uid for ref in sample.sources] == [film().SOPInstanceUID]


def test_film_monochrome1_is_the_same_film_turned() -> None:
    inverse = film((4095 - gradient()).astype(np.uint16), PhotometricInterpretation="MONOCHROME1")
    assert np.allclose(_film(inverse).pixels, _film(film()).pixels, atol=1e-3)
    assert _film(inverse).hints["photometric"] == "MONOCHROME1"


@given(st.floats(0.01, 100), st.floats(-5000, 5000))
def test_film_linear_rescale_changes_nothing(slope: float, intercept: float) -> None:
    rescaled = film(RescaleSlope=f"{slope:.8g}", RescaleIntercept=f"{intercept:.8g}")
    assert np.allclose(_film(rescaled).pixels, _film(film()).pixels, atol=1e-2)


def test_film_padding_is_black_and_does_not_stretch_the_greys() -> None:
    pixels = gradient()
    pixels[:, :3] = 65535
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        sample = _film(film(pixels, PixelPaddingValue=65535, PhotometricInterpretation=photometric))
        assert np.all(sample.pixels[:, :3] == 0)
        assert sample.pixels[:, 3:].max() == 1


def test_film_padding_range_covers_both_ends() -> None:
    pixels = gradient()
    pixels[:4] = 60000
    pixels[4:8] = 65535
    sample = _film(film(pixels, PixelPaddingValue=65535, PixelPaddingRangeLimit=60000))
    assert np.all(sample.pixels[:8] == 0)


def test_film_window_clips_what_lies_outside() -> None:
    pixels = gradient()
    sample = _film(film(pixels, WindowCenter="2000", WindowWidth="2400"))
    assert np.all(sample.pixels[pixels < 780] == 0)
    assert np.all(sample.pixels[pixels > 3220] == 1)


@pytest.mark.parametrize(("centre", "width"), [("100000", "10"), ("2000", "0"), ("40", "80")])
def test_film_window_of_another_image_is_not_applied(centre: str, width: str) -> None:
    windowed = film(WindowCenter=centre, WindowWidth=width)
    assert np.allclose(_film(windowed).pixels, _film(film()).pixels, atol=1e-3)


def test_film_voi_table_is_applied() -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.LUTData = [int(value) for value in (np.arange(4096) / 4095) ** 2 * 65535]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    sample = _film(film(VOILUTSequence=Sequence([item])))
    assert np.allclose(sample.pixels, _film(film()).pixels ** 2, atol=0.02)


def test_film_voi_table_takes_rescaled_values() -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.LUTData = [int(value) for value in np.arange(4096) * 16]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    shown = film(VOILUTSequence=Sequence([item]), RescaleSlope="1", RescaleIntercept="0")
    assert np.allclose(_film(shown).pixels, _film(film()).pixels, atol=1e-3)


def test_film_all_padding_with_a_window_is_blank() -> None:
    pixels = np.full((32, 24), 5, np.uint16)
    windowed = film(pixels, PixelPaddingValue=5, WindowCenter="40", WindowWidth="80")
    assert _code(windowed) == RefusalCode.BLANK_IMAGE


def test_film_raw_exposure_becomes_density() -> None:
    exposure = np.exp(gradient() / 400.0).astype(np.uint16)
    raw = film(exposure, SOPClassUID=DigitalXRayImageStorageForProcessing, Modality="DX",
               PixelIntensityRelationship="LIN")  # fmt: skip
    assert np.abs(_film(raw).pixels - _film(film()).pixels).mean() < 0.05


@pytest.mark.parametrize("grey", [0, 77, 4095])
def test_film_of_one_grey_is_blank(grey: int) -> None:
    assert _code(film(np.full((32, 24), grey, np.uint16))) == RefusalCode.BLANK_IMAGE


def test_film_all_padding_is_blank() -> None:
    pixels = np.full((32, 24), 5, np.uint16)
    assert _code(film(pixels, PixelPaddingValue=5)) == RefusalCode.BLANK_IMAGE


def test_film_small_is_refused() -> None:
    assert _code(film(gradient(15, 400))) == RefusalCode.IMAGE_TOO_SMALL


@pytest.mark.parametrize(
    ("changes", "spacing"),
    [
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.2, 0.1], "PixelSpacing": [0.15, 0.14]}, (0.15, 0.14)),
        ({"PixelSpacing": [0, 0]}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_film_spacing_is_calibrated_then_that_of_the_detector(
    changes: dict[str, Any], spacing: tuple[float | None, float | None]
) -> None:
    geometry = _film(film(**changes)).geometry
    assert (geometry.row_spacing_mm, geometry.column_spacing_mm) == spacing


_SC = SecondaryCaptureImageStorage


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Modality": "MR"}, RefusalCode.MODALITY_NOT_SUPPORTED),
        ({"Modality": None}, RefusalCode.MODALITY_NOT_SUPPORTED),
        ({"SOPClassUID": CTImageStorage}, RefusalCode.SOP_CLASS_NOT_SUPPORTED),
        ({"SOPClassUID": _SC, "ConversionType": "SD"}, RefusalCode.SCREEN_CAPTURE),
        ({"SOPClassUID": _SC, "ConversionType": "DV"}, RefusalCode.SCREEN_CAPTURE),
        ({"SOPClassUID": _SC, "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
         RefusalCode.SCREEN_CAPTURE),
    ],
)  # fmt: skip
def test_film_other_object_is_refused(changes: dict[str, Any], code: RefusalCode) -> None:
    assert _code(film(**changes)) == code


@pytest.mark.parametrize(
    "changes",
    [
        {"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX"},
        {"SOPClassUID": _SC, "Modality": "DX"},
        {"SOPClassUID": _SC, "ConversionType": "WSD"},
        {"SOPClassUID": _SC, "ConversionType": "DF"},
    ],
)
def test_film_in_another_wrapping_is_read(changes: dict[str, Any]) -> None:
    assert _film(film(**changes)).pixels.max() == 1
