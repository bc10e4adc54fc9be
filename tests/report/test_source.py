"""Source headers in every character set."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicom_node.report import source
from dicom_node.report.encode import to_file
from dicom_node.report.provenance import Station
from dicom_node.report.sr import SrWriter
from tests import builders

WRITER = SrWriter(Station("AITRIAGE"))

ALPHABETS = {
    "ISO_IR 192": "abcÅøñ山田やקبЖ",
    "ISO_IR 100": "abcÅøñüß",
    "ISO_IR 101": "abcŁőč",
    "ISO_IR 144": "abcЖдя",
    "ISO_IR 127": "abcقباني",
    "ISO_IR 138": "abcשלום",
    "ISO_IR 126": "abcΑλφ",
    "GB18030": "abc王小东",
}


def header(film: Dataset) -> Dataset:
    return source.headers(builders.result([film]), [film])[0]


def reported(film: Dataset) -> Dataset:
    return dcmread(BytesIO(to_file(WRITER.write(builders.result([film]), [film], []))))


@st.composite
def names(draw: st.DrawFn) -> tuple[str, str]:
    charset = draw(st.sampled_from(sorted(ALPHABETS)))
    part = st.text(ALPHABETS[charset], min_size=1, max_size=12)
    return charset, f"{draw(part)}^{draw(part)}"


@given(names())
def test_headers_any_single_byte_or_utf8_name_survives(case: tuple[str, str]) -> None:
    charset, name = case
    patient = {**builders.PATIENT, "PatientName": name}
    film = builders.Film(charset=charset, patient=patient, rows=4, columns=4).build()
    raw = dcmread(BytesIO(builders.as_file(film)))

    clean = header(raw)

    assert clean.SpecificCharacterSet == "ISO_IR 192"
    assert str(clean.PatientName) == name
    again = dcmread(BytesIO(to_file(_with_name(clean))))
    assert str(again.PatientName) == name


def _with_name(clean: Dataset) -> Dataset:
    plain = Dataset()
    for keyword in ("SpecificCharacterSet", "PatientName", "SOPClassUID", "SOPInstanceUID"):
        plain[keyword] = clean[keyword]
    return plain


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (("", "ISO 2022 IR 87"), "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (("ISO 2022 IR 13", "ISO 2022 IR 87"), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        (("", "ISO 2022 IR 149"), "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_headers_escaped_name_survives(charset: tuple[str, ...], name: str) -> None:
    film = builders.Film(charset=charset, patient={**builders.PATIENT, "PatientName": name}).build()
    assert str(reported(film).PatientName) == name


def test_headers_name_of_the_standards_chinese_example_survives() -> None:
    """PS3.5 K.2; written as bytes, since pydicom writes no escape sequences for it."""
    film = builders.Film(charset=("", "ISO 2022 IR 58")).build()
    escape, han = b"\x1b$)A", "张^小东".encode("gb2312").split(b"^")
    film = _spoilt(
        "PatientName", b"Zhang^XiaoDong=" + escape + han[0] + b"^" + escape + han[1], film
    )
    assert str(reported(film).PatientName) == "Zhang^XiaoDong=张^小东"


def test_headers_made_in_memory_keep_their_text() -> None:
    film = builders.Film(charset="ISO_IR 100").build()
    film.PatientName = "Müller^Jörg"
    assert str(reported(film).PatientName) == "Müller^Jörg"


def test_headers_text_in_items_is_decoded() -> None:
    film = builders.Film(charset="ISO_IR 100").build()
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "T1", "99HOSP"
    code.CodeMeaning = "Röntgen Thorax"
    film.ProcedureCodeSequence = [code]
    film = dcmread(BytesIO(builders.as_file(film)))

    assert reported(film).ProcedureCodeSequence[0].CodeMeaning == "Röntgen Thorax"


def test_headers_text_that_belies_its_charset_is_still_reported() -> None:
    film = builders.Film(charset="ISO_IR 100").build()
    raw = builders.as_file(film).replace(b"ISO_IR 100", b"ISO_IR 192")

    ds = reported(dcmread(BytesIO(raw)))

    assert str(ds.PatientName).endswith("^Zo�")
    assert ds.PatientID == "PID-0001"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientBirthDate", "1970.01.02"),
        ("PatientSex", "X"),
        ("StudyTime", "half past"),
        ("PatientAge", "62"),
        ("SliceThickness", "thin"),
    ],
)
def test_headers_impossible_value_is_left_out(keyword: str, value: str) -> None:
    ds = reported(_spoilt(keyword, value.encode(), builders.Film().build()))
    assert not ds.get(keyword)
    assert ds.PatientID == "PID-0001"


def test_headers_impossible_zone_gives_way_to_the_nodes() -> None:
    film = _spoilt("TimezoneOffsetFromUTC", b"CET", builders.Film().build())
    assert reported(film).TimezoneOffsetFromUTC == "+0000"


def _spoilt(keyword: str, value: bytes, film: Dataset) -> Dataset:
    """Return ``film`` with ``value`` in its file, which pydicom would not write by itself."""
    tag = BaseTag(tag_for_keyword(keyword) or 0)
    raw = value + b" " * (len(value) % 2)
    film[tag] = RawDataElement(tag, dictionary_VR(tag), len(raw), raw, 0, False, True)
    return dcmread(BytesIO(builders.as_file(film)))


def test_headers_pixels_and_private_elements_are_left_behind() -> None:
    film = builders.Film().build()
    film.private_block(0x0011, "SOMEBODY", create=True).add_new(1, "LO", "secret")

    clean = header(film)

    assert "PixelData" not in clean
    assert not any(element.tag.is_private for element in clean)


def test_without_name_leaves_the_header_as_it_was() -> None:
    clean = header(builders.Film().build())
    assert not source.without_name(clean).PatientName
    assert str(clean.PatientName) == "Ångström^Zoë"


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)),
    st.integers(-720, 840),
)
def test_local_time_any_offset_is_the_same_moment(naive: datetime, minutes: int) -> None:
    at = naive.replace(tzinfo=UTC)
    sign = "-" if minutes < 0 else "+"
    clean = Dataset()
    clean.TimezoneOffsetFromUTC = f"{sign}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"

    local = source.local_time(at, clean, None)

    assert local == at
    offset = local.utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 60 * minutes


def test_local_time_without_an_offset_is_the_nodes() -> None:
    for name, minutes in (("UTC", 0), ("Asia/Kathmandu", 345), ("America/St_Johns", -210)):
        zone = ZoneInfo(name)
        local = source.local_time(builders.COMPLETED_AT, Dataset(), zone)
        assert local == builders.COMPLETED_AT
        assert local.utcoffset() == timedelta(minutes=minutes)
