"""The viewer's searches: decoded keys, reading order, pages."""

from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from dicomweb_client import DICOMwebClient
from pydicom.uid import UID

from dicom_node.domain import MatchingKey, Priority
from dicom_node.ledger import Ledger
from dicom_node.pixels.wrap import encode
from tests.asgi import AsgiClient, serving_on_a_port
from tests.builders import Film
from tests.fakes import FakeCatalogue
from tests.ledgers import report
from tests.orthancs import Site


def found(client: AsgiClient, query: str) -> list[str]:
    """Return the Study Instance UIDs that a search answers with."""
    answer = client.get(f"/dicom-web/studies?{query}")
    assert answer.headers["content-type"] == "application/dicom+json"
    return [entry["0020000D"]["Value"][0] for entry in answer.json()]


def test_keys_arrive_as_they_were_written(client: AsgiClient, catalogue: FakeCatalogue) -> None:
    name = "*Müller^Anna Zoë & Sønn*"
    query = f"00100010={quote(name)}&includefield=00081030%2C00080060&limit=101&offset=0"
    found(client, f"{query}&fuzzymatching=false&StudyDescription=")
    assert catalogue.keys == [MatchingKey("00100010", name)]
    assert catalogue.fields == ["00081030", "00080060"]


def test_more_studies_than_a_page_begin_with_the_urgent(
    client: AsgiClient, ledger: Ledger, catalogue: FakeCatalogue
) -> None:
    for number in range(120):
        report(ledger, f"images-{number}", f"2.25.{number}", Priority.LOW)
    report(ledger, "urgent", "2.25.999", Priority.STAT)
    catalogue.studies = [f"2.25.{number}" for number in range(120)] + ["2.25.unknown", "2.25.999"]
    first = found(client, "limit=101&offset=0")
    rest = found(client, "limit=101&offset=101")
    assert first[0] == "2.25.999"
    assert (len(first), len(rest)) == (101, 21)
    assert rest[-1] == "2.25.unknown"
    assert set(first) | set(rest) == set(catalogue.studies)


@pytest.mark.parametrize(
    "query",
    [
        "limit=x",
        "limit=%C2%B2",
        "limit=99999999999999999999",
        "offset=-1",
        "Nonsense=1",
        "%3Cscript%3E=1",
        "includefield=Nonsense",
        "RequestAttributesSequence.ScheduledProcedureStepID=1",
        "RequestAttributesSequence=1",
        "PixelData=1",
        "StudyInstanceUID=" + ",".join(["1"] * 1001),
        "PatientName=" + "*a" * 17,
        "PatientName=" + "a" * 2000,
    ],
)
def test_wrong_search_is_400(client: AsgiClient, query: str) -> None:
    answer = client.get(f"/dicom-web/studies?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def named(number: int, name: str, charset: str | list[str] = "ISO_IR 192") -> bytes:
    """Return a film of a patient with this name, its UIDs made of a number."""
    film = Film().build()
    film.SpecificCharacterSet = charset
    film.PatientName, film.PatientID = name, f"P{number}"
    film.StudyDate = f"2024010{number}"
    film.StudyInstanceUID = f"2.25.{number}"
    film.SeriesInstanceUID = f"2.25.{number}.1"
    film.SOPInstanceUID = UID(f"2.25.{number}.1.1")
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    return encode(film)


@pytest.fixture
def patients(site: Site) -> Site:
    """Store a film of each of six patients."""
    site.orthanc.store(
        named(1, "Müller^Änna", "ISO_IR 100"),
        named(2, "Yamada^Tarou=山田^太郎=やまだ^たろう", ["", "ISO 2022 IR 87"]),
        named(3, "Smith^John"),
        named(4, "Иванов^Иван"),
        named(5, "Mayer & Söhne, 100 %^M*x"),
        named(6, "Sato^Ichiro=佐藤^一郎"),
    )
    return site


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("PatientName=M%2A", {1, 5}),
        ("PatientName=m*", {1, 5}),
        ("PatientName=M%C3%BCller%5E%C3%84nna", {1}),
        ("PatientName=m%C3%BCll%2A", {1}),
        ("PatientName=Mu%CC%88ller*", {1}),
        ("PatientName=Sm%3Fth%5EJohn", {3}),
        ("00100010=smith%5ejohn", {3}),
        ("PatientName=%E5%B1%B1%E7%94%B0%2A", {2}),
        ("PatientName=%E5%B1%B1%E7%94%B0%5E%E5%A4%AA%E9%83%8E", {2}),
        ("PatientName=%2A%E4%BD%90%E8%97%A4%2A", {6}),
        ("PatientName=%E3%82%84%E3%81%BE%E3%81%A0%2A", {2}),
        ("PatientName=Yamada%5ETarou", {2}),
        ("PatientName=%D0%B8%D0%B2%D0%B0%D0%BD%D0%BE%D0%B2%2A", {4}),
        ("PatientName=Mayer%20%26%20S%C3%B6hne%2C%20100%20%25%2A", {5}),
        ("PatientName=Mayer+*", {5}),
        ("PatientName=%2A", {1, 2, 3, 4, 5, 6}),
        ("StudyDate=20240102-20240104", {2, 3, 4}),
        ("StudyDate=-20240102", {1, 2}),
        ("StudyDate=20240105%2D", {5, 6}),
        ("StudyInstanceUID=2.25.1,2.25.3", {1, 3}),
        ("StudyInstanceUID=2.25.1%5C2.25.4", {1, 4}),
        ("0020000d=2.25.6", {6}),
        ("ModalitiesInStudy=CT%2CCR&PatientID=P4", {4}),
        ("Modality=CR&PatientID=P4", {4}),
        ("AccessionNumber=nothing", set()),
        ("PatientName=nobody*", set()),
    ],
)
def test_search_finds_what_is_written_in_any_letters(
    patients: Site, query: str, numbers: set[int]
) -> None:
    told = found(patients.client, query)
    assert sorted(told) == sorted(f"2.25.{number}" for number in numbers)


def test_answer_holds_the_name_in_every_letter_and_says_so(patients: Site) -> None:
    (study,) = patients.client.get("/dicom-web/studies?PatientID=P2").json()
    name = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
    assert study["00100010"]["Value"] == [name]
    assert study["00080005"]["Value"] == ["ISO_IR 192"]
    for path in ("series", "instances", "studies/2.25.2/instances"):
        (below,) = patients.client.get(f"/dicom-web/{path}?PatientID=P2").json()
        assert below["00100010"]["Value"] == [name]


@pytest.mark.parametrize(
    ("path", "tag", "uids"),
    [
        ("series", "0020000E", {f"2.25.{number}.1" for number in range(1, 7)}),
        ("series?SeriesInstanceUID=2.25.1.1,2.25.2.1", "0020000E", {"2.25.1.1", "2.25.2.1"}),
        ("series?PatientName=%E5%B1%B1%E7%94%B0*", "0020000E", {"2.25.2.1"}),
        ("series?Modality=CT", "0020000E", set()),
        ("instances?SOPInstanceUID=2.25.3.1.1", "00080018", {"2.25.3.1.1"}),
        ("studies/2.25.1/series", "0020000E", {"2.25.1.1"}),
        ("studies/2.25.1/instances", "00080018", {"2.25.1.1.1"}),
        ("studies/2.25.1/series/2.25.1.1/instances", "00080018", {"2.25.1.1.1"}),
        ("studies/2.25.1/series/2.25.2.1/instances", "00080018", set()),
        ("studies/2.25.404/series", "0020000E", set()),
        ("studies/2.25.1/series?PatientName=Smith*", "0020000E", set()),
    ],
)
def test_search_below_and_beside_studies(
    patients: Site, path: str, tag: str, uids: set[str]
) -> None:
    answer = patients.client.get(f"/dicom-web/{path}")
    assert answer.status_code == 200
    assert {entry[tag]["Value"][0] for entry in answer.json()} == uids


def test_pages_of_instances_hold_each_once(patients: Site) -> None:
    pages = [
        patients.client.get(f"/dicom-web/instances?limit=2&offset={start}").json()
        for start in (0, 2, 4, 6)
    ]
    assert [len(page) for page in pages] == [2, 2, 2, 0]
    uids = {entry["00080018"]["Value"][0] for page in pages for entry in page}
    assert uids == {f"2.25.{number}.1.1" for number in range(1, 7)}


def test_retrieve_url_is_where_the_caller_found_the_node(patients: Site) -> None:
    headers = {"X-Node-Host": "pacs.example:8443", "X-Forwarded-Proto": "https"}
    (told,) = patients.client.get("/dicom-web/studies?PatientID=P1", headers=headers).json()
    assert told["00081190"]["Value"] == ["https://pacs.example:8443/dicom-web/studies/2.25.1"]


def test_fields_that_are_asked_for_are_told(patients: Site) -> None:
    for field in ("StudyDescription", "00081030", "00081030%2C00080060", "all", "ALL"):
        answer = patients.client.get(f"/dicom-web/studies?PatientID=P3&includefield={field}")
        (study,) = answer.json()
        assert field.lower() == "all" or study["00081030"]["Value"] == ["CHEST PA"]


def test_fuzzy_matching_is_refused_in_a_warning(patients: Site) -> None:
    answer = patients.client.get("/dicom-web/studies?PatientID=P3&fuzzymatching=true")
    assert len(answer.json()) == 1
    assert "fuzzymatching" in answer.headers["warning"]
    plain = patients.client.get("/dicom-web/studies?PatientID=P3&fuzzymatching=false")
    assert "warning" not in plain.headers


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/dicom+json"),
        ("*/*", "application/dicom+json"),
        ("application/json", "application/dicom+json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/dicom+json"),
        ('multipart/related; type="application/dicom+xml"', "multipart/related"),
        ("multipart/related;type=application/dicom+xml", "multipart/related"),
    ],
)
def test_answer_has_one_content_type(patients: Site, accept: str, kind: str) -> None:
    query = "/dicom-web/studies?PatientID=P2"
    answer = patients.client.get(query, headers={"Accept": accept})
    (told,) = answer.headers.get_list("content-type")
    assert told.startswith(kind)


def test_answer_in_xml_is_the_native_dicom_model(patients: Site) -> None:
    accept = {"Accept": 'multipart/related; type="application/dicom+xml"'}
    answer = patients.client.get("/dicom-web/studies", headers=accept)
    boundary = answer.headers["content-type"].rpartition("boundary=")[2]
    parts = answer.content.split(f"--{boundary}".encode())[1:-1]
    names = []
    for part in parts:
        head, _, text = part.partition(b"\r\n\r\n")
        assert head.strip() == b"Content-Type: application/dicom+xml"
        model = ElementTree.fromstring(text)
        assert model.tag == "NativeDicomModel"
        family = model.find("DicomAttribute[@keyword='PatientName']/PersonName//FamilyName")
        assert family is not None
        names.append(family.text)
    assert sorted(map(str, names)) == [
        "Mayer & Söhne, 100 %",
        "Müller",
        "Sato",
        "Smith",
        "Yamada",
        "Иванов",
    ]


def test_what_nobody_can_answer_with_is_406(client: AsgiClient) -> None:
    assert client.get("/dicom-web/studies", headers={"Accept": "image/png"}).status_code == 406


def test_foreign_client_finds_studies_series_and_instances(patients: Site) -> None:
    with serving_on_a_port(patients.services) as url:
        said = {"X-Node-Token": patients.client.token}
        foreign = DICOMwebClient(f"{url}/dicom-web", headers=said)
        filters = {"PatientName": "山田*"}
        (study,) = foreign.search_for_studies(search_filters=filters, fields=["StudyDescription"])
        assert study["0020000D"]["Value"] == ["2.25.2"]
        (series,) = foreign.search_for_series("2.25.2")
        assert series["0020000E"]["Value"] == ["2.25.2.1"]
        (instance,) = foreign.search_for_instances("2.25.2", "2.25.2.1")
        assert instance["00080018"]["Value"] == ["2.25.2.1.1"]
        assert foreign.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_config_of_the_viewer_asks_here() -> None:
    config = Path(__file__).parents[2] / "orthanc" / "viewer" / "app-config.js"
    assert "qidoRoot: `${location.origin}/dicom-web`" in config.read_text(encoding="utf-8")
