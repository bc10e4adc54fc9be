"""Sources with impossible values, as the fuzz campaign found them: reported without, or refused."""

from collections.abc import Callable

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from dicom_node.errors import ReportError
from dicom_node.report import registry
from dicom_node.report.encode import to_file
from tests import builders

WRITERS = registry.writers("AITRIAGE")


def raw(image: Dataset, keyword: str, vr: str, value: bytes) -> BaseTag:
    """Put bytes into the image as a file would bring them."""
    tag = BaseTag(Tag(keyword))
    image._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    return tag


def nested(depth: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.2.3"
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedImageSequence = [item]
        item = outer
    return item


def written(image: Dataset, name: str = "sr") -> Dataset:
    healthy = builders.Film("utf8").build()
    result = builders.result([healthy])
    report = WRITERS[name].write(result, [image], [builders.heatmap(healthy)])
    to_file(report)
    return report


@pytest.mark.parametrize("writer", ["sr", "heatmap"])
def test_binary_value_of_odd_length_is_left_out(writer: str) -> None:
    image = builders.Film("utf8").build()
    raw(image, "RecommendedDisplayFrameRate", "US", b"\x01")
    raw(image, "SamplesPerPixel", "US", b"\x01")
    assert written(image, writer).PatientID == image.PatientID


def test_several_values_where_one_belongs_are_left_out() -> None:
    image = builders.Film("utf8").build()
    raw(image, "PatientSex", "CS", b"M\\F ")
    raw(image, "StudyDescription", "LO", b"one\\two ")
    report = written(image)
    assert report.PatientSex in {"", None}
    assert "StudyDescription" not in report


def test_value_of_another_kind_than_its_attribute_is_left_out() -> None:
    image = builders.Film("utf8").build()
    raw(image, "PatientName", "US", b"\x01\x00\x02\x00")
    raw(image, "PatientID", "UT", b"PID-0001")
    raw(image, "StudyDate", "SQ", b"")
    report = written(image)
    assert not report.PatientName
    assert report["PatientID"].VR == "LO"
    assert report.PatientID == "PID-0001"
    assert not report.StudyDate


def test_sequences_nested_without_end_are_left_out() -> None:
    image = builders.Film("utf8").build()
    image.ReferencedImageSequence = [nested(200)]
    assert written(image).PatientID == image.PatientID


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.pop("SOPInstanceUID"),
        lambda image: raw(image, "SOPInstanceUID", "US", b"\x01"),
        lambda image: image.pop("StudyInstanceUID"),
        lambda image: raw(image, "StudyInstanceUID", "US", b"\x01"),
        lambda image: raw(image, "StudyInstanceUID", "UI", b"1.2\\1.3"),
    ],
)
def test_source_that_cannot_say_which_image_it_is_makes_no_report(
    change: Callable[[Dataset], object],
) -> None:
    image = builders.Film("utf8").build()
    change(image)
    with pytest.raises(ReportError):
        written(image)
