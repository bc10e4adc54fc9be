"""STOW-RS and Orthanc's own upload before a real Orthanc: good objects beside bad ones."""

import io
import zipfile
from copy import deepcopy
from typing import Any

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import UID, HTJ2KLossless

from dicom_node.intake.room import Room
from dicom_node.pixels.wrap import encode
from tests import bombs
from tests.asgi import serving_on_a_port
from tests.builders import Film
from tests.orthancs import Site

BOUNDARY = "the boundary"
UNNAMED = UID("1.2.840.10008.5.1.4.1.1.66")
"""Raw Data Storage, which the policy does not name."""


def film(number: int, **attributes: str) -> Dataset:
    """Return a film whose UIDs are made of a number."""
    ds = Film().build()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"2.25.{number}", f"2.25.{number}.1"
    ds.SOPInstanceUID = UID(f"2.25.{number}.1.1")
    for name, value in attributes.items():
        setattr(ds, name, value)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    return ds


def htj2k(ds: Dataset) -> bytes:
    """Return a film that says it is compressed as no viewer of Orthanc's can have it."""
    named = ds.copy()
    named.file_meta = deepcopy(ds.file_meta)
    named.file_meta.TransferSyntaxUID = HTJ2KLossless
    named.PixelData = encapsulate([b"\0\0"])
    named["PixelData"].VR = "OB"
    return encode(named)


GOOD = encode(film(1))
BAD = {
    "no DICOM": (b"no DICOM at all", 0xC000),
    "deep": (bombs.nested(20_000), 0xC000),
    "cut short": (encode(film(2))[:-40], 0xC000),
    "unnamed class": (encode(film(3, SOPClassUID=UNNAMED)), 0x0122),
    "deflated": (bombs.deflated(1 << 20), 0xC122),
    "private syntax": (
        encode(film(4)).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2.1\0"),
        0xC122,
    ),
    "HTJ2K": (htj2k(film(6)), 0xC122),
}


def stow(site: Site, *objects: bytes, path: str = "studies", **headers: str) -> httpx.Response:
    """Store objects as a foreign client would."""
    parts = [b"Content-Type: application/dicom\r\n\r\n" + one for one in objects]
    mark = f"--{BOUNDARY}".encode()
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"
    kind = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'
    said = {"Content-Type": kind, "X-Node-Host": "pacs.example:8443"} | headers
    return site.client.post(f"/dicom-web/{path}", content=body, headers=said)


def held(site: Site) -> list[str]:
    """Return the SOP Instance UIDs of all that Orthanc holds."""
    told = site.orthanc.request("GET", "/instances?expand").json()
    return sorted(one["MainDicomTags"]["SOPInstanceUID"] for one in told)


def reasons(told: dict[str, Any]) -> list[int]:
    return [one["00081197"]["Value"][0] for one in told.get("00081198", {}).get("Value", [])]


def stored(told: dict[str, Any]) -> list[str]:
    return [one["00081155"]["Value"][0] for one in told.get("00081199", {}).get("Value", [])]


def test_good_objects_are_200_with_their_places(site: Site) -> None:
    answer = stow(site, GOOD, encode(film(5)))
    assert answer.status_code == 200
    assert answer.headers.get_list("content-type") == ["application/dicom+json"]
    assert stored(answer.json()) == ["2.25.1.1.1", "2.25.5.1.1"]
    place = answer.json()["00081199"]["Value"][0]["00081190"]["Value"]
    base = "https://pacs.example:8443/dicom-web/studies"
    assert place == [f"{base}/2.25.1/series/2.25.1.1/instances/2.25.1.1.1"]
    assert held(site) == ["2.25.1.1.1", "2.25.5.1.1"]


def test_good_beside_each_kind_of_bad_is_202_with_both_listed(site: Site) -> None:
    bad = [content for content, _ in BAD.values()]
    answer = stow(site, *bad[:3], GOOD, *bad[3:])
    assert answer.status_code == 202
    assert stored(answer.json()) == ["2.25.1.1.1"]
    assert reasons(answer.json()) == [reason for _, reason in BAD.values()]
    of_class = answer.json()["00081198"]["Value"][3]
    assert of_class["00081150"]["Value"] == [UNNAMED]
    assert of_class["00081155"]["Value"] == ["2.25.3.1.1"]
    assert "SOP class" in of_class["00000902"]["Value"][0]
    assert held(site) == ["2.25.1.1.1"]
    assert site.orthanc.is_alive()


@pytest.mark.parametrize("name", BAD)
def test_bad_object_alone_is_409(site: Site, name: str) -> None:
    content, reason = BAD[name]
    answer = stow(site, content)
    assert (answer.status_code, reasons(answer.json())) == (409, [reason])
    assert held(site) == []


def test_object_of_another_study_is_refused(site: Site) -> None:
    answer = stow(site, GOOD, encode(film(5)), path="studies/2.25.5")
    assert answer.status_code == 202
    assert (reasons(answer.json()), stored(answer.json())) == ([0x0110], ["2.25.5.1.1"])
    assert answer.json()["00081190"]["Value"] == [
        "https://pacs.example:8443/dicom-web/studies/2.25.5"
    ]


def test_answer_in_xml_for_who_wants_it(site: Site) -> None:
    answer = stow(site, GOOD, Accept="application/dicom+xml")
    assert answer.headers["content-type"] == "application/dicom+xml"
    assert b'keyword="ReferencedSOPSequence"' in answer.content


def test_one_object_without_parts_is_stored(site: Site) -> None:
    kind = {"Content-Type": "application/dicom"}
    answer = site.client.post("/dicom-web/studies", content=GOOD, headers=kind)
    assert (answer.status_code, held(site)) == (200, ["2.25.1.1.1"])


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("", GOOD, 415),
        ('multipart/related; type="application/dicom+json"; boundary=b', b"--b--", 415),
        ('multipart/related; type="application/dicom"', GOOD, 400),
        ('multipart/related; type="application/dicom"; boundary=b', b"", 400),
        ('multipart/related; type="application/dicom"; boundary=b', b"--b--\r\n", 400),
        ('multipart/related; type="application/dicom"; boundary=b', b"nothing of it", 400),
        ('multipart/related; type="application/dicom"; boundary=b', b"--b\r\n\r\n\r\nab", 400),
        ('multipart/related; type="application/dicom"; boundary=b', b"--b", 400),
    ],
)
def test_body_that_is_none_is_refused_with_a_sentence(
    site: Site, kind: str, body: bytes, status: int
) -> None:
    answer = site.client.post("/dicom-web/studies", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_no_room_is_503_to_be_tried_again(site: Site) -> None:
    full = Room((site.orthanc.folder,), 1 << 60, lambda: 0, 1)
    object.__setattr__(site.services, "room", full)
    for answer in (stow(site, GOOD), site.client.post("/instances", content=GOOD)):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert held(site) == []


def test_foreign_client_stores_and_is_told(site: Site) -> None:
    with serving_on_a_port(site.services) as url:
        foreign = DICOMwebClient(f"{url}/dicom-web", headers={"X-Node-Token": site.client.token})
        told = foreign.store_instances([dcmread(io.BytesIO(GOOD)), film(5)])
    assert [one.ReferencedSOPInstanceUID for one in told.ReferencedSOPSequence] == held(site)


def test_orthancs_own_upload_answers_as_orthanc_does(site: Site) -> None:
    for _ in range(2):
        answer = site.client.post("/instances", content=GOOD)
        assert (answer.status_code, answer.json()["Status"]) == (200, "Success")
    assert set(answer.json()) == {
        "ID", "ParentPatient", "ParentSeries", "ParentStudy", "Path", "Status",
    }  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_orthancs_own_upload_refuses_by_name(site: Site, name: str) -> None:
    content, reason = BAD[name]
    answer = site.client.post("/instances", content=content)
    assert (answer.status_code, answer.json()["FailureReason"]) == (400, reason)
    assert f"{reason:04X}H" in answer.json()["Details"]
    assert held(site) == []


def zipped(**files: bytes) -> bytes:
    """Return a ZIP of these files."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


def test_zip_is_stored_file_by_file_or_not_at_all(site: Site) -> None:
    answer = site.client.post("/instances", content=zipped(a=GOOD, b=b"text", c=encode(film(5))))
    assert [one["Status"] for one in answer.json()] == ["Success", "Success"]
    assert held(site) == ["2.25.1.1.1", "2.25.5.1.1"]
    bad = zipped(a=encode(film(6)), b=BAD["deep"][0])
    assert site.client.post("/instances", content=bad).status_code == 400
    assert held(site) == ["2.25.1.1.1", "2.25.5.1.1"]
    for broken in (zipped(b=b"text"), zipped(a=GOOD)[:200]):
        assert site.client.post("/instances", content=broken).status_code == 400


def test_form_of_orthanc_explorer_is_stored(site: Site) -> None:
    files = {"one": ("a.dcm", GOOD), "two": ("b.dcm", encode(film(5)))}
    assert site.client.post("/instances/", files=files).status_code == 200
    assert held(site) == ["2.25.1.1.1", "2.25.5.1.1"]
    bad = {"one": ("a.dcm", BAD["unnamed class"][0])}
    assert site.client.post("/instances", files=bad).json()["FailureReason"] == 0x0122


def test_nothing_of_a_body_stays_behind(site: Site) -> None:
    stow(site, GOOD, b"bad")
    assert list((site.services.settings.root / "uploads").iterdir()) == []
