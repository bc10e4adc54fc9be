"""Which images are exported, and with what in their pixels."""

from typing import Any

import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000Lossless,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from dicom_node.deidentify import choice
from dicom_node.deidentify.clean import Profile, cleaned
from dicom_node.deidentify.keys import Pseudonyms
from dicom_node.errors import ExportError, PixelError
from tests import builders
from tests.exports import encoded, left_from, objects, store
from tests.marks import MARKS

PROFILE = Profile(Pseudonyms(b"k" * 32))


@pytest.mark.parametrize("hide", ["behind", "comment"])
def test_what_hides_in_pixel_data_goes(hide: str) -> None:
    image = builders.Film("hidden").build()
    if hide == "comment":
        image.compress(JPEG2000Lossless, generate_instance_uid=False)
        (frame,) = generate_frames(image.PixelData, number_of_frames=1)
        at = frame.index(b"\xff\x52")  # COD: a COM segment may stand before it (T.800 A.9.2)
        words = MARKS[0].encode()
        comment = b"\xff\x64" + (len(words) + 4).to_bytes(2, "big") + b"\0\1" + words
        image.PixelData = encapsulate([frame[:at] + comment + frame[at:]])
    else:
        image.PixelData += MARKS[0].encode() * 4
    assert left_from(image.PixelData)
    store(image)
    assert left_from(encoded(cleaned(image, PROFILE))) == []


@pytest.mark.parametrize("signed", [0, 1])
def test_bits_above_the_stored_ones_go(signed: int) -> None:
    image = builders.Film("overlay").build()
    image.PixelRepresentation = signed
    plain = np.frombuffer(image.PixelData, "<u2") & 0x07FF
    image.PixelData = (plain | 0xA000).tobytes()
    store(image)
    assert image.PixelData == plain.tobytes()
    image.HighBit = 15
    with pytest.raises(ExportError, match="High Bit"):
        store(image)


@pytest.mark.parametrize("change", [{"Rows": 60000, "Columns": 60000}, {"NumberOfFrames": 9999}])
def test_pixels_beyond_the_limits_are_not_decoded(change: dict[str, int]) -> None:
    image = builders.Film("huge").build()
    for keyword, value in change.items():
        setattr(image, keyword, value)
    with pytest.raises(PixelError, match=r"limit|not read"):
        store(image)


def test_heatmap_stays_in_colour() -> None:
    heatmap = objects("CR")[2]
    before = heatmap.PixelData
    store(heatmap)
    assert (heatmap.PixelData, heatmap.PhotometricInterpretation) == (before, "RGB")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"BurnedInAnnotation": "YES"}, choice.BURNED_IN),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, choice.CAPTURE),
        ({"SOPClassUID": SecondaryCaptureImageStorage, "ConversionType": "WSD"}, choice.CAPTURE),
        ({"ImageType": "SCREEN SAVE"}, choice.CAPTURE),
        ({"SOPClassUID": MultiFrameTrueColorSecondaryCaptureImageStorage}, choice.CAPTURE),
        (
            {"SOPClassUID": SecondaryCaptureImageStorage, "ConversionType": ["DF", "WSD"]},
            choice.CAPTURE,
        ),
        ({"BurnedInAnnotation": ["NO", "YES"]}, choice.BURNED_IN),
        ({"Modality": ["CR", "SR"]}, choice.DOCUMENT),
        ({"Modality": "SR"}, choice.DOCUMENT),
        ({"Modality": "OT"}, choice.DOCUMENT),
    ],
)
def test_what_may_show_words_is_left_out(change: dict[str, Any], reason: str | None) -> None:
    image = builders.Film("choice").build()
    for keyword, value in change.items():
        setattr(image, keyword, value)
    assert choice.left_out(image, burned_in_too=False) == reason
    wanted = choice.DOCUMENT if reason == choice.DOCUMENT else None
    assert choice.left_out(image, burned_in_too=True) == wanted
