"""The viewer's searches: decoded keys, reading order, pages."""

from pathlib import Path
from urllib.parse import quote

import pytest

from dicom_node.domain import MatchingKey, Priority
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.fakes import FakeCatalogue
from tests.ledgers import report


def found(client: AsgiClient, query: str) -> list[str]:
    """Return the Study Instance UIDs that a search answers with."""
    answer = client.get(f"/ai/qido/studies?{query}")
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


@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "Nonsense=1", "%3Cscript%3E=1"])
def test_wrong_search_is_400(client: AsgiClient, query: str) -> None:
    answer = client.get(f"/ai/qido/studies?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_search_below_a_study_goes_on_to_orthanc_decoded(client: AsgiClient) -> None:
    answer = client.get("/ai/qido/studies/1.2.3/series?includefield=0008103E%2C00200011")
    assert answer.status_code == 307
    assert answer.headers["location"] == (
        "/dicom-web/studies/1.2.3/series?includefield=0008103E,00200011"
    )
    hostile = client.get("/ai/qido/studies/1.2.3/series?a=%0d%0aSet-Cookie:x")
    assert "\n" not in hostile.headers["location"]


def test_config_of_the_viewer_asks_here() -> None:
    config = Path(__file__).parents[2] / "orthanc" / "viewer" / "app-config.js"
    assert "/ai/qido" in config.read_text(encoding="utf-8")
