"""Which studies a request asks Orthanc for; Orthanc is a table of what it knows."""

import json
from collections.abc import Mapping

import pytest

from dicom_node.access.fetches import Fetches, Resource, resource_of

ID = "0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d-0a1b2c3d"


class Orthanc:
    """Two studies of one patient, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, path: str, body: bytes) -> bytes:
        self.asked.append(path)
        first, second = ({"MainDicomTags": {"StudyInstanceUID": uid}} for uid in ("1.2", "1.3"))
        known: Mapping[str, object] = {
            "/studies/a": first,
            "/series/b/study": first,
            "/instances/c/study": first,
            "/instances/d/study": second,
            "/patients/p/studies": [second, first],
        }
        if path == "/tools/lookup":
            hits = {b"1.2": ("Study", "a"), b"1.2.9": ("Instance", "c"), b"p": ("Patient", "p")}
            found = hits.get(body)
            return json.dumps([{"Type": found[0], "ID": found[1]}] if found else []).encode()
        return json.dumps(known[path]).encode() if path in known else b""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/instances/{ID}/file", Resource("instances", ID)),
        (f"/series/{ID}", Resource("series", ID)),
        (f"/studies/{ID}/archive", Resource("studies", ID)),
        (f"/patients/{ID}/media", Resource("patients", ID)),
        (f"//instances//{ID}//preview", Resource("instances", ID)),
        (f"/instances/{ID}/a\nb", Resource("instances", ID)),
        ("/dicom-web/studies/1.2/series/1.3/metadata", Resource("studies", "1.2", by_uid=True)),
        ("/wado", Resource("instances", "1.2.9", by_uid=True)),
        *((path, None) for path in ("/studies", "/instances/", "/system", "/dicom-web/studies")),
        *((path, None) for path in ("/app/studies/x", "/dicom-web/instances", "/statistics", "/")),
    ],
)
def test_path_names_what_it_asks_for(path: str, expected: Resource | None) -> None:
    assert resource_of(path, {"objectUID": "1.2.9"}) == expected


@pytest.mark.parametrize(
    ("path", "studies"),
    [
        ("/studies/a", ("1.2",)),
        ("/series/b/archive", ("1.2",)),
        ("/instances/c/preview", ("1.2",)),
        ("/patients/p", ("1.2", "1.3")),
        ("/dicom-web/studies/1.2/rendered", ("1.2",)),
        ("/wado", ("1.2",)),
        ("/studies/unknown", ()),
        ("/dicom-web/studies/9.9", ()),
        ("/dicom-web/studies/p", ()),
        ("/system", ()),
    ],
)
def test_studies_behind_a_path(path: str, studies: tuple[str, ...]) -> None:
    assert Fetches(Orthanc()).studies(path, {"objectUID": "1.2.9"}) == studies


def test_orthanc_is_asked_once_for_each_resource_that_it_has() -> None:
    orthanc = Orthanc()
    fetches = Fetches(orthanc)
    for _ in range(3):
        fetches.studies("/instances/c/file", {})
        fetches.studies("/dicom-web/studies/1.2/metadata", {})
    assert orthanc.asked == ["/instances/c/study", "/tools/lookup", "/studies/a"]
    for _ in range(2):  # it may arrive meanwhile, and a patient may get another study
        fetches.studies("/instances/later", {})
        fetches.studies("/patients/p", {})
    assert len(orthanc.asked) == 7
