"""Orthanc's tools behind the door: no body ends it, and the trail says whose images were given."""

import json

import pytest
from hypothesis import given, strategies

from dicom_node.api import bodies
from dicom_node.pixels.wrap import encode
from tests.builders import Film
from tests.orthancs import Site

PATHS = (
    "/tools/find",
    "/tools/lookup",
    "/tools/create-archive",
    "/tools/create-media",
    "/tools/create-media-extended",
    "/tools/bulk-content",
    "/tools/bulk-modify",
    "/tools/bulk-anonymize",
    "/tools/bulk-delete",
    "/tools/create-dicom",
    "/tools/reconstruct",
    "/tools/invalidate-tags",
    "/tools/no-such-tool",
    "/modalities/nobody/query",
    "/peers/nobody/store",
    "/instances/{}/modify",
    "/instances/{}/anonymize",
    "/dicom-web/servers/nobody/stow",
)
BODIES = {
    "objects in objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "arrays in arrays": b"[" * 200_000,
    "a million objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "hidden behind a comment": b'/*"*/' + b"[" * 5000,
    "a query of arrays": b'{"Level":"Study","Query":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "no JSON": b"nothing",
    "a number": b"5",
    "null": b"null",
    "an empty list": b"[]",
    "a list of numbers": b"[1,2,3]",
    "words of a wrong kind": b'{"Level":5,"Query":[],"Resources":{"a":1},"Expand":"x"}',
    "a query of a wrong kind": b'{"Level":"Study","Query":{"PatientID":["x"],"1":null}}',
    "a number too large": b'{"Level":"Study","Query":{},"Limit":1e400,"Since":9e99}',
    "an unknown key": b'{"Level":"Study","Query":{},"Nonsense":{"a":[1]}}',
    "stars": b'{"Level":"Study","Query":{"PatientName":"' + b"*a" * 5000 + b'"}}',
    "not UTF-8": b'{"Level":"\xff\xfe"}',
    "surrogates": b'{"Level":"Study","Query":{"PatientID":"\\ud800"}}',
    "nothing": b"",
}


@pytest.mark.parametrize("path", PATHS)
def test_no_body_ends_orthanc(site: Site, path: str) -> None:
    (stored,) = site.orthanc.store(encode(Film().build()))
    for name, body in BODIES.items():
        answer = site.client.post(path.format(stored), content=body)
        assert answer.status_code != 503, name
        assert site.orthanc.is_alive(), name


def test_search_finds_as_orthanc_does(site: Site) -> None:
    (stored,) = site.orthanc.store(encode(Film().build()))
    study = site.orthanc.request("GET", f"/instances/{stored}/study").json()
    uid = study["MainDicomTags"]["StudyInstanceUID"]
    wish = {"Level": "Study", "Query": {"StudyInstanceUID": uid}, "Expand": True, "Unknown": 1}
    answer = site.client.post("/tools/find", json=wish)
    assert [one["ID"] for one in answer.json()] == [study["ID"]]
    assert ("study.fetch", uid) in site.audit
    assert ("worklist.open", None) in site.audit
    hits = site.client.post("/tools/lookup", content=uid).json()
    assert [hit["ID"] for hit in hits] == [study["ID"]]


@pytest.mark.parametrize("as_list", [True, False])
def test_archive_is_streamed_and_noted_for_each_study(site: Site, as_list: bool) -> None:
    films = [Film(name=f"archive-{number}").build() for number in (1, 2)]
    ids = site.orthanc.store(*map(encode, films))
    body: object = ids if as_list else {"Resources": ids}
    answer = site.client.post("/tools/create-archive", json=body)
    assert answer.content.startswith(b"PK")
    assert {("study.fetch", str(film.StudyInstanceUID)) for film in films} <= site.audit


def test_long_bodies_are_413(site: Site) -> None:
    wish = json.dumps({"Level": "Study", "Query": {"PatientID": "x" * 70_000}})
    assert site.client.post("/tools/find", content=wish).status_code == 413
    assert site.client.post("/tools/lookup", content=b"1" * 2000).status_code == 413


@given(strategies.integers(0, 300), strategies.booleans())
def test_depth_is_that_of_the_brackets(count: int, objects: bool) -> None:
    text = '{"a":' * count + "1" + "}" * count if objects else "[" * count + "1" + "]" * count
    assert bodies.depth(json.loads(text)) == count
