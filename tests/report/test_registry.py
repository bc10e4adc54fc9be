"""The contract of every registered result writer."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import highdicom as hd
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.domain import TriageResult
from dicom_node.errors import ReportError
from dicom_node.ports import ResultWriter
from dicom_node.report import registry
from dicom_node.report.encode import to_file
from tests import builders
from tests.sources import SOURCES

WRITERS = registry.writers("AITRIAGE")
PATIENT_AND_STUDY = [
    *builders.PATIENT,
    *builders.STUDY,
    "StudyInstanceUID",
]


@pytest.fixture(params=sorted(WRITERS))
def writer(request: pytest.FixtureRequest) -> ResultWriter:
    return WRITERS[request.param]


@pytest.fixture(params=sorted(SOURCES))
def sources(request: pytest.FixtureRequest) -> list[Dataset]:
    return SOURCES[request.param]()


def written(writer: ResultWriter, sources: Sequence[Dataset], **changes: Any) -> Dataset:
    result = builders.result(sources, **changes)
    return read_back(writer, result, sources)


def read_back(writer: ResultWriter, result: TriageResult, sources: Sequence[Dataset]) -> Dataset:
    heatmaps = [builders.heatmap(sources[0])]
    return dcmread(BytesIO(to_file(writer.write(result, sources, heatmaps))))


def referenced(ds: Dataset) -> set[str]:
    return {
        str(element.value)
        for element in ds.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }


def test_writers_are_named_as_the_registry_names_them() -> None:
    assert {name: writer.name for name, writer in WRITERS.items()} == {
        "sr": "sr",
        "heatmap": "heatmap",
    }


def test_write_any_source_reads_back_complete(writer: ResultWriter, sources: list[Dataset]) -> None:
    ds = written(writer, sources)

    reference = writer.reference(builders.result(sources))
    assert ds.SOPClassUID == reference.sop_class_uid == ds.file_meta.MediaStorageSOPClassUID
    assert ds.SOPInstanceUID == reference.sop_instance_uid
    assert ds.SeriesInstanceUID == reference.series_instance_uid
    assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert ds.SpecificCharacterSet == "ISO_IR 192"
    assert ds.ContentQualification == "RESEARCH"
    assert ds.SeriesDescription.startswith("AI dicom-node ")
    assert ds.SeriesDescription.endswith("(RESEARCH)")
    assert len(ds.SeriesDescription) <= 64


def test_write_any_source_copies_patient_and_study(
    writer: ResultWriter, sources: list[Dataset]
) -> None:
    ds = written(writer, sources)

    for keyword in PATIENT_AND_STUDY:
        if keyword in sources[0]:
            assert str(ds[keyword].value) == str(sources[0][keyword].value), keyword
    for keyword in ("PatientName", "PatientID", "StudyDate", "AccessionNumber"):
        assert keyword in ds, f"{keyword} is Type 2"


def test_write_any_source_names_the_node_and_never_the_scanner(
    writer: ResultWriter, sources: list[Dataset]
) -> None:
    ds = written(writer, sources)

    assert (ds.ManufacturerModelName, ds.DeviceSerialNumber) == ("dicom-node", "AITRIAGE")
    ours = ds.ContributingEquipmentSequence[-1]
    assert ours.ManufacturerModelName == builders.MODEL.name
    assert ours.SoftwareVersions == builders.MODEL.version
    assert ours.DeviceUID.startswith("2.25.")
    assert builders.MODEL.weights_sha256 in ours.ContributionDescription


def test_write_twice_gives_the_same_bytes(writer: ResultWriter, sources: list[Dataset]) -> None:
    result = builders.result(sources)
    heatmaps = [builders.heatmap(sources[0])]

    first = to_file(writer.write(result, sources, heatmaps))
    second = to_file(writer.write(result, list(reversed(sources)), heatmaps))

    assert first == second


def test_write_leaves_the_sources_as_they_were(
    writer: ResultWriter, sources: list[Dataset]
) -> None:
    before = [builders.as_file(image) for image in sources]
    written(writer, sources)
    assert [builders.as_file(image) for image in sources] == before


def test_write_references_exactly_its_sources(writer: ResultWriter, sources: list[Dataset]) -> None:
    read = {str(image.SOPInstanceUID) for image in sources}
    key = {str(sources[0].SOPInstanceUID)}

    ds = written(writer, sources)

    assert referenced(ds) == (read if writer.name == "sr" else key)


def test_reference_other_run_is_another_object_in_a_series_of_its_own(writer: ResultWriter) -> None:
    film = builders.Film().build()
    first = writer.reference(builders.result([film], run_identity="a"))
    second = writer.reference(builders.result([film], run_identity="b"))

    assert first.sop_instance_uid != second.sop_instance_uid
    assert first.series_instance_uid != second.series_instance_uid
    again = writer.reference(builders.result([film], run_identity="a"))
    assert again == first


def test_reference_two_writers_never_share_a_uid() -> None:
    result = builders.result([builders.Film().build()])
    references = [writer.reference(result) for writer in WRITERS.values()]

    assert len({r.sop_instance_uid for r in references}) == len(references)
    assert len({r.series_instance_uid for r in references}) == len(references)


def test_write_without_a_source_raises(writer: ResultWriter) -> None:
    images = builders.Series(slices=3).build()
    with pytest.raises(ReportError, match="do not match"):
        writer.write(builders.result(images), images[:2], [builders.heatmap(images[0])])


def test_write_sources_of_two_patients_raises(writer: ResultWriter) -> None:
    images = builders.Series(slices=3).build()
    images[1].PatientID = "SOMEBODY-ELSE"
    with pytest.raises(ReportError, match="two patients") as caught:
        writer.write(builders.result(images), images, [builders.heatmap(images[0])])
    assert "SOMEBODY" not in str(caught.value)


def test_write_source_of_another_study_raises(writer: ResultWriter) -> None:
    film = builders.Film().build()
    result = builders.result([film], study_instance_uid="2.25.1")
    with pytest.raises(ReportError, match=r"not of study 2\.25\.1"):
        writer.write(result, [film], [builders.heatmap(film)])


def test_write_unusual_name_says_nothing_of_it(
    writer: ResultWriter, capfd: pytest.CaptureFixture[str]
) -> None:
    film = builders.Film(patient={**builders.PATIENT, "PatientName": "Singleword"}).build()

    ds = written(writer, [film])

    assert ds.PatientName == "Singleword"
    assert "Singleword" not in "".join(capfd.readouterr())


def test_write_zone_of_the_source_is_honoured(writer: ResultWriter) -> None:
    film = builders.Film().build()
    film.TimezoneOffsetFromUTC = "+0930"

    ds = written(writer, [film])

    assert ds.TimezoneOffsetFromUTC == "+0930"
    assert (ds.ContentDate, ds.ContentTime) == ("20261121", "201730.125000")
    assert (ds.InstanceCreationDate, ds.InstanceCreationTime) == (ds.ContentDate, ds.ContentTime)


def test_sr_reads_back_with_highdicom() -> None:
    images = SOURCES["ct_40"]()
    file = to_file(WRITERS["sr"].write(builders.result(images), images, []))

    report = hd.sr.srread(BytesIO(file))

    content = report.content
    assert isinstance(content, hd.sr.MeasurementReport)
    groups = content.get_image_measurement_groups()
    assert [str(group.finding_type and group.finding_type.meaning) for group in groups] == [
        "COVID-19",
        "Normal",
        "Bacterial pneumonia",
        "Viral pneumonia",
    ]
    assert [group.get_measurements()[0].value for group in groups] == [91.0, 5.0, 12.0, 34.0]
