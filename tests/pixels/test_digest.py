from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ImplicitVRLittleEndian

from dicom_node.pixels.digest import image_digest, pixel_digest
from dicom_node.pixels.load import parse
from dicom_node.pixels.wrap import encode
from tests.images import axial, film, gradient

_names = st.text(st.characters(categories=["L"]), min_size=1, max_size=20)


@given(_names, _names, st.dates(), st.sampled_from(["M", "F", "O", ""]))
def test_digest_corrected_patient_is_the_same(
    name: str, patient_id: str, born: object, sex: str
) -> None:
    corrected = axial(5.0, PatientName=name, PatientID=patient_id, PatientSex=sex,
                      PatientBirthDate=str(born).replace("-", ""), AccessionNumber=patient_id[:16],
                      StudyDescription=name)  # fmt: skip
    assert pixel_digest(corrected) == pixel_digest(axial(5.0))


@given(st.integers(0, 32 * 24 - 1), st.integers(1, 4095))
def test_digest_one_changed_pixel_differs(at: int, by: int) -> None:
    pixels = gradient()
    pixels.flat[at] ^= by
    assert pixel_digest(film(pixels)) != pixel_digest(film())


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PhotometricInterpretation", "MONOCHROME1"),
        ("BitsStored", 12),
        ("PixelRepresentation", 1),
        ("RescaleSlope", "2"),
        ("RescaleIntercept", "-1000"),
        ("ImagePositionPatient", [0, 0, 1]),
        ("ImageOrientationPatient", [0, 1, 0, 0, 0, 1]),
        ("PixelSpacing", [1.0, 2.0]),
        ("WindowCenter", "3"),
    ],
)
def test_digest_changed_meaning_differs(keyword: str, value: Any) -> None:
    assert pixel_digest(axial(5.0, **{keyword: value})) != pixel_digest(axial(5.0))


def test_digest_transfer_syntax_differs() -> None:
    ds = film()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert pixel_digest(ds) != pixel_digest(film())


@pytest.mark.parametrize("value", [b"\xfe\xff\x00", b"12"])
@pytest.mark.parametrize("keyword", ["Rows", "PixelSpacing", "VOILUTSequence"])
def test_digest_bytes_that_claim_to_be_a_sequence_count(keyword: str, value: bytes) -> None:
    image = film()
    tag = BaseTag(Tag(keyword))
    image._dict[tag] = RawDataElement(tag, "SQ", len(value), value, 0, False, True)
    assert pixel_digest(image) != pixel_digest(film())


@pytest.mark.parametrize("keyword", ["Rows", "WindowCenter", "PhotometricInterpretation"])
def test_digest_a_sequence_where_a_value_belongs_counts_as_stored(keyword: str) -> None:
    image = film()
    item = Dataset()
    item.PatientID = "1"
    image[keyword] = DataElement(Tag(keyword), "SQ", DicomSequence([item]))
    assert pixel_digest(image) != pixel_digest(film())


def test_digest_window_that_is_no_number_refuses_nothing() -> None:
    image = film()
    tag = BaseTag(Tag("WindowCenter"))
    image._dict[tag] = RawDataElement(tag, "DS", 4, b"wide", 0, False, True)
    assert pixel_digest(image) == pixel_digest(image) != pixel_digest(film())


@pytest.mark.parametrize("keyword", ["PatientName", "PatientBirthDate", "PatientSex", "PatientID"])
def test_image_of_somebody_else_has_another_digest(keyword: str) -> None:
    values = {"PatientBirthDate": "19701231", "PatientSex": "O"}
    changes: dict[str, Any] = {keyword: values.get(keyword, "OTHER")}
    changed = film(**changes)
    assert image_digest(changed) != image_digest(film())
    assert pixel_digest(changed) == pixel_digest(film())


def test_name_in_another_character_set_is_the_same_name() -> None:
    files = [
        encode(film(SpecificCharacterSet=charset, PatientName="Ångström^Zoë"))
        for charset in ("ISO_IR 100", "ISO_IR 192")
    ]
    latin, utf8 = map(parse, files)
    assert latin["PatientName"].value.original_string != utf8["PatientName"].value.original_string
    assert image_digest(latin) == image_digest(utf8)
