"""What the archive port makes of odd answers of Orthanc's, which is played by a table here."""

import math
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyorthanc import Orthanc

from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.contiguity import contiguity
from dicom_node.domain import InstanceRef, Origin, SeriesRef
from dicom_node.errors import ArchiveAway, ArchiveUnavailable

STUDY = "1.2.3"
_LISTED: Mapping[str, Any] = {
    "/tools/lookup": [{"ID": "study", "Type": "Study"}],
    "/studies/study": {
        "MainDicomTags": {"StudyInstanceUID": STUDY},
        "PatientMainDicomTags": {},
    },
}
IMAGE = InstanceRef("1.2.3.4.5", "", "1.2.3.4", "image", "file")
SENDER = "/instances/image/metadata/RemoteAET"
ORDER = "/instances/image/content/0040-1003"
MD5 = "/instances/image/attachments/dicom/md5"


def archive(table: Mapping[str, Any]) -> OrthancArchive:
    """Return an archive whose Orthanc answers from a table: JSON, a response, or an error."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = table.get(request.url.path, httpx.Response(404))
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    transport = httpx.MockTransport(answer)
    return OrthancArchive(Orthanc("http://orthanc", return_raw_response=True, transport=transport))


def listed(number: str = "1", *images: Mapping[str, str]) -> SeriesRef:
    """Return the one series of a study, as the port lists it."""
    instances = [
        {
            "ID": f"image {index}",
            "FileUuid": "file",
            "FileSize": 1,
            "MainDicomTags": {"SOPInstanceUID": f"1.2.3.4.{index}", **image},
        }
        for index, image in enumerate(images)
    ]
    entry = {
        "ID": "series",
        "LastUpdate": "20260301T080000",
        "MainDicomTags": {"SeriesInstanceUID": "1.2.3.4", "SeriesNumber": number},
    }
    table = {**_LISTED, "/studies/study/series": [entry], "/tools/bulk-content": instances}
    (found,) = archive(table).study(STUDY).series
    return found


@pytest.mark.parametrize(
    ("number", "meant"),
    [
        ("9", 9),
        (" +7 ", 7),
        ("-1", -1),
        ("", None),
        ("--1", None),
        ("²", None),
        ("1.5", None),
        ("9" * 5000, None),
    ],
)
def test_series_number_is_a_number_or_nothing(number: str, meant: int | None) -> None:
    assert listed(number).series_number == meant


@given(st.text())
def test_series_number_may_be_anything(number: str) -> None:
    assert listed(number).series_number is None or number.strip()


def slice_at(position: str, orientation: str = "1\\0\\0\\0\\1\\0") -> Mapping[str, str]:
    return {"ImagePositionPatient": position, "ImageOrientationPatient": orientation}


def test_position_that_overflows_is_left_out() -> None:
    huge = slice_at("1e308\\1e308\\1e308", "1e200\\1e200\\0\\0\\1e200\\1e200")
    assert listed("1", slice_at("0\\0\\5"), huge).positions_mm == (5.0,)


_DECIMALS = st.one_of(
    st.floats().map(str), st.floats(-1000, 1000).map("{:.6g}".format), st.text(max_size=16)
)


@given(st.lists(st.lists(_DECIMALS, min_size=9, max_size=9), max_size=4))
def test_positions_are_finite_whatever_the_headers_hold(numbers: list[list[str]]) -> None:
    slices = [slice_at("\\".join(nine[:3]), "\\".join(nine[3:])) for nine in numbers]
    found = listed("1", *slices).positions_mm
    assert all(map(math.isfinite, found))
    contiguity(found)


def test_origin_is_told_as_far_as_it_is_known() -> None:
    known = {SENDER: httpx.Response(200, text="CT1"), ORDER: httpx.Response(200, text="STAT\0")}
    assert archive(known).origin(IMAGE) == Origin("CT1", "STAT")
    assert archive({}).origin(IMAGE) == Origin()


def test_order_in_a_file_that_orthanc_has_lost_is_unknown() -> None:
    """The order is read from the stored file; a run tells that such a file cannot be fetched."""
    broken = {SENDER: httpx.Response(200, text="CT1"), ORDER: httpx.Response(500)}
    assert archive(broken).origin(IMAGE) == Origin("CT1", "")


@pytest.mark.parametrize(
    ("silence", "error"),
    [
        (httpx.ReadTimeout("silent"), ArchiveUnavailable),
        (httpx.ConnectError("refused"), ArchiveAway),
    ],
)
def test_origin_that_nobody_tells_is_asked_for_again(
    silence: Exception, error: type[Exception]
) -> None:
    with pytest.raises(error):
        archive({SENDER: silence, ORDER: silence}).origin(IMAGE)


def test_checksum_is_asked_for_once() -> None:
    table = {MD5: httpx.Response(200, text="abc")}
    orthanc = archive(table)
    assert orthanc.checksum(IMAGE) == "abc"
    table.clear()
    assert orthanc.checksum(IMAGE) == "abc"


def test_checksum_that_was_missing_is_asked_for_again() -> None:
    """Two processes must not go on with two answers about the same file."""
    table: dict[str, Any] = {}
    orthanc = archive(table)
    assert orthanc.checksum(IMAGE) == ""
    table[MD5] = httpx.Response(200, text="abc")
    assert orthanc.checksum(IMAGE) == "abc"
