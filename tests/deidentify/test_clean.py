"""De-identified objects: no mark left, references that still meet, the same each time."""

import stat
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import config, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicom_node import codes
from dicom_node.deidentify.clean import Profile, cleaned
from dicom_node.deidentify.keys import Pseudonyms
from dicom_node.errors import ExportError
from tests import builders
from tests.exports import encoded, left_from, objects, store
from tests.marks import MARKS

PROFILE = Profile(Pseudonyms(b"k" * 32))
SHIFTED = Profile(Pseudonyms(b"k" * 32), shift_dates=True)


def uids(dataset: Dataset) -> Iterator[str]:
    for element in dataset.iterall():
        if element.VR == "UI":
            many = element.value if element.VM > 1 else [element.value]
            yield from (str(one) for one in many if one)


@pytest.mark.parametrize("kind", ["CR", "CT"])
@pytest.mark.parametrize("profile", [PROFILE, SHIFTED])
def test_no_mark_is_left_in_any_byte(kind: str, profile: Profile) -> None:
    for source in objects(kind):
        before = encoded(source)
        store(source) if "PixelData" in source else None
        file = encoded(cleaned(source, profile))
        assert left_from(before), "the source must be marked, or this test proves nothing"
        assert left_from(file) == []


@pytest.mark.parametrize("kind", ["CR", "CT"])
def test_references_meet_under_new_uids(kind: str) -> None:
    sources = objects(kind)
    old = {uid for one in sources for uid in uids(one) if not uid.startswith("1.2.840.10008.")}
    written = [cleaned(one, PROFILE) for one in sources]
    names = {str(one.SOPInstanceUID) for one in written}
    for one in written:
        assert not old & set(uids(one))
        assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
        assert one.StudyInstanceUID == written[0].StudyInstanceUID
        pointed = {str(e.value) for e in one.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
        assert pointed <= names
    assert {str(one.SOPInstanceUID) for one in written if one.Modality in {"CR", "CT"}} < names


def test_declares_what_was_done() -> None:
    one, other = (cleaned(objects("CR")[0], profile) for profile in (PROFILE, SHIFTED))
    assert one.PatientIdentityRemoved == "YES"
    assert one.DeidentificationMethod
    declared = [item.CodeValue for item in other.DeidentificationMethodCodeSequence]
    assert declared == ["113100", "113104", "113107"]
    assert one.LongitudinalTemporalInformationModified == "REMOVED"
    assert other.LongitudinalTemporalInformationModified == "MODIFIED"


def test_pixels_and_geometry_stay() -> None:
    source = objects("CT")[0]
    target = cleaned(source, PROFILE)
    assert target.PixelData == source.PixelData
    assert target.ImagePositionPatient == source.ImagePositionPatient
    assert target.RescaleIntercept == source.RescaleIntercept


def test_report_keeps_findings_and_loses_free_words() -> None:
    report = cleaned(objects("CR")[1], PROFILE)
    texts = [e.value for e in report.iterall() if e.keyword == "TextValue"]
    assert any("COVID-19" in text for text in texts)
    assert any(text.startswith("RESEARCH USE ONLY") for text in texts)
    assert not any("header names" in text for text in texts)
    assert 91.0 in [float(e.value) for e in report.iterall() if e.keyword == "NumericValue"]


def test_dates_keep_their_distance_where_they_are_shifted() -> None:
    first, second = (builders.Film("dates").build() for _ in range(2))
    second.StudyDate = "20261201"
    days = [cleaned(one, SHIFTED).StudyDate for one in (first, second)]
    assert days[0] != first.StudyDate
    gap = np.datetime64(_iso(days[1])) - np.datetime64(_iso(days[0]))
    assert gap == np.timedelta64(10, "D")
    assert not cleaned(first, SHIFTED).PatientBirthDate


@pytest.mark.parametrize(
    ("keyword", "value", "ending"),
    [
        ("PatientBirthTime", "101112", None),
        ("StudyTime", "101112.5", "101112.5"),
        ("StudyTime", "19370213", ""),
        ("StudyTime", "1011 Zmarkname", ""),
        ("StudyDate", "20261121 Zmarkname", ""),
        ("ContentDate", "20261121Zmarkname", "19000101"),
        ("AcquisitionDateTime", "20261121101112.25+0100", "101112.25+0100"),
        ("AcquisitionDateTime", "20261121Zmarkname", ""),
        ("AcquisitionDateTime", "2026", ""),
    ],
)
def test_what_is_no_moment_is_not_shifted(keyword: str, value: str, ending: str | None) -> None:
    image = builders.Film("moments").build()
    image.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=config.IGNORE))
    target = cleaned(image, SHIFTED).get(keyword)
    assert target is None if ending is None else str(target).endswith(ending)
    assert bool(target) is bool(ending)


@pytest.mark.parametrize("keyword", ["CodingSchemeUID", "ContextUID", "MappingResourceUID"])
def test_uids_of_code_systems_are_keyed(keyword: str) -> None:
    item = Dataset()
    setattr(item, keyword, "1.2.3.4")
    image = builders.Film("context").build()
    image.ViewCodeSequence = [item]
    (new,) = cleaned(image, PROFILE).ViewCodeSequence
    assert new[keyword].value == PROFILE.pseudonyms.uid("1.2.3.4")
    setattr(item, keyword, "1.2.840.10008.6.1.1")
    (new,) = cleaned(image, PROFILE).ViewCodeSequence
    assert new[keyword].value == "1.2.840.10008.6.1.1"


def _iso(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def test_measurements_keep_their_own_codes() -> None:
    report = next(one for one in objects("CT") if one.Modality == "SR")
    kept = {str(e.value) for e in cleaned(report, PROFILE).iterall() if e.keyword == "CodeValue"}
    assert {codes.GROUND_GLASS_ATTENUATION.value, codes.SHARE_OF_LUNG.value} <= kept


@pytest.mark.parametrize(
    "code",
    [
        {"CodeValue": MARKS[3], "CodingSchemeDesignator": "99SITE", "CodeMeaning": MARKS[0]},
        {"CodeValue": MARKS[3], "CodingSchemeDesignator": MARKS[2]},
        {"LongCodeValue": MARKS[3], "CodingSchemeDesignator": "9", "CodingSchemeVersion": MARKS[2]},
        {"CodeMeaning": MARKS[0]},
        {"CodingSchemeVersion": MARKS[2]},
    ],
)
def test_words_of_a_foreign_scheme_go(code: dict[str, str]) -> None:
    item = Dataset()
    for keyword, value in code.items():
        setattr(item, keyword, value)
    image = builders.Film("coded").build()
    image.ViewCodeSequence = [item]
    image.update(item)
    target = cleaned(image, PROFILE)
    assert set(left_from(encoded(image))) == set(code.values()) & set(MARKS)
    assert left_from(encoded(target)) == []
    assert target.ViewCodeSequence[0].CodingSchemeDesignator == "99REMOVED"


def test_text_outside_of_a_report_goes() -> None:
    image = builders.Film("text").build()
    name, text = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "112039", "DCM", "Tracking"
    text.ValueType, text.TextValue, text.ConceptNameCodeSequence = "TEXT", MARKS[0], [name]
    image.ValueType, image.TextValue, image.ContentSequence = "TEXT", MARKS[0], [text]
    image.SourceImageSequence = [text]
    assert left_from(encoded(cleaned(image, PROFILE))) == []


def test_what_cannot_be_read_is_not_written() -> None:
    image = dcmread(BytesIO(builders.as_file(builders.Film("broken").build())))
    image.add_new(0x00280120, "US", 1)
    broken = encoded(image).replace(b"\x28\x00\x20\x01US\x02\x00", b"\x28\x00\x20\x01US\x01\x00")
    with pytest.raises(ExportError):
        cleaned(dcmread(BytesIO(broken)), PROFILE)


@given(st.text(min_size=1), st.text(min_size=1))
def test_pseudonyms_are_the_same_for_the_same_alone(one: str, other: str) -> None:
    site = Pseudonyms(b"k" * 32)
    assert site.patient("H", one) == Pseudonyms(b"k" * 32).patient("H", one)
    assert (site.uid(one) == site.uid(other)) == (one == other)
    assert site.uid(one) != Pseudonyms(b"j" * 32).uid(one)
    assert len(site.uid(one)) <= 64
    assert 1 <= site.shift_days("H", one) <= 3650


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_patients_without_an_id_are_one_for_each_study(empty: str | None) -> None:
    images = [builders.Film(name).build() for name in ("one", "two")]
    for image in images:
        image.PatientID = empty
    again = builders.Film("one").build()
    del again.PatientID
    first, second, third = (str(cleaned(one, SHIFTED).PatientID) for one in (*images, again))
    assert first != second
    assert first == third


def test_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "export.key"
    first = Pseudonyms.of_site(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert Pseudonyms.of_site(file) == first
    assert first.key.hex() not in repr(first)
    file.chmod(0o644)
    with pytest.raises(ExportError, match="open to other users"):
        Pseudonyms.of_site(file)
