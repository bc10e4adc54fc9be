"""The worklist, its page, and the description of the API."""

import re
from datetime import datetime

import pytest

from dicom_node import policy
from dicom_node.api.pages import CONTENT_POLICY, STATIC
from dicom_node.domain import RefusalCode, RunState, Stage
from dicom_node.ledger import Ledger
from dicom_node.worklist.order import places_text, rule_text
from tests.asgi import AsgiClient
from tests.ledgers import Clock, fill
from tests.worklist_items import CONTRACT

PAGES = ["/ai/", "/ai/trends", "/ai/docs"]


def uids(client: AsgiClient, query: str = "") -> list[str]:
    items = client.get(f"/ai/worklist{query}").json()["items"]
    return [item["study_instance_uid"] for item in items]


def test_items_come_in_reading_order(client: AsgiClient, ledger: Ledger) -> None:
    fill(ledger)
    assert uids(client) == ["1.2.3", "1.2.4", "1.2.1", "1.2.2"]


def test_filters_and_limit(client: AsgiClient, ledger: Ledger) -> None:
    fill(ledger)
    assert uids(client, "?limit=2") == ["1.2.3", "1.2.4"]
    assert uids(client, "?state=REPORTED") == ["1.2.3", "1.2.2"]
    assert uids(client, "?modality=CT") == ["1.2.1"]
    assert uids(client, "?state=&modality=&limit=") == uids(client, "")
    assert uids(client, "?modality=CT&state=REPORTED") == []


def test_item_has_exactly_the_keys_of_the_contract(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    fill(ledger)
    answer = client.get("/ai/worklist")
    body = answer.json()
    assert set(body) == {"items", "generated_at"}
    assert body["generated_at"] == body["items"][0]["received_at"]
    assert datetime.fromisoformat(body["generated_at"]) == clock()
    assert all(list(item) == CONTRACT for item in body["items"])
    assert answer.headers["cache-control"] == "no-store"


def test_empty_worklist_is_an_empty_list(client: AsgiClient) -> None:
    assert client.get("/ai/worklist").json()["items"] == []


@pytest.mark.parametrize("path", ["/ai/", "/ai"])
def test_page_states_the_rule_and_the_purpose(client: AsgiClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"].startswith("text/html")
    assert rule_text(policy.load()) in answer.text
    assert "Research use only" in answer.text
    assert places_text() in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_page_runs_nothing_inline_and_forbids_it(client: AsgiClient, path: str) -> None:
    answer = client.get(path)
    assert answer.headers["content-security-policy"].startswith(CONTENT_POLICY)
    assert f'http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}"' in answer.text
    assert "unsafe" not in CONTENT_POLICY
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", answer.text))
    assert not re.search(r"\son\w+=|style=|<style", answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_page_asks_no_other_host_and_all_that_it_names_is_there(
    client: AsgiClient, path: str
) -> None:
    text = client.get(path).text
    named = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert named
    for address in named:
        assert address.startswith(("/ai/", "data:", "#"))
        if address.startswith("/ai/static/"):
            assert client.get(address).status_code == 200


@pytest.mark.parametrize("script", sorted(STATIC.glob("*.js"), key=str), ids=lambda p: p.name)
def test_scripts_never_write_markup(script: object) -> None:
    source = (STATIC / str(script)).read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source)
    assert "https://" not in source


@pytest.mark.parametrize("word", [*RefusalCode, *Stage], ids=str)
def test_each_refusal_and_each_stage_has_its_advice(word: str) -> None:
    assert re.search(
        rf"^  {word}: ", (STATIC / "advice.js").read_text(encoding="utf-8"), re.MULTILINE
    )


def test_scripts_are_short_and_have_their_words_from_the_domain() -> None:
    words = (STATIC / "words.js").read_text(encoding="utf-8")
    assert all(f"  {state}: [" in words for state in RunState if state is not RunState.SUPERSEDED)
    lengths = {
        file.name: file.read_text(encoding="utf-8").count("\n") for file in STATIC.glob("*.*s")
    }
    assert {name: count for name, count in lengths.items() if count > 300} == {}


def test_description_has_every_call_of_the_contract(client: AsgiClient) -> None:
    api = client.get("/ai/openapi.json").json()
    calls = {(method, path) for path, methods in api["paths"].items() for method in methods}
    assert calls == {
        ("get", "/ai/studies/{study_instance_uid}"),
        ("post", "/ai/studies/{study_instance_uid}/runs"),
        ("post", "/ai/studies/{study_instance_uid}/assessments"),
        ("post", "/ai/runs/{run_id}/retry"),
        ("get", "/ai/worklist"),
        ("get", "/ai/board"),
        ("get", "/ai/history"),
        ("get", "/ai/health"),
        ("get", "/ai/metrics"),
        ("get", "/ai/models"),
        ("get", "/ai/events"),
        ("get", "/ai/session"),
    }
    schemas = api["components"]["schemas"]
    assert set(CONTRACT) == set(schemas["WorklistItem"]["properties"])
    assert set(schemas["RunState"]["enum"]) == {state.value for state in RunState}
    more = set(schemas["StudyAnswer"]["properties"]) - set(CONTRACT)
    assert more == {"runs", "reports", "heatmaps", "deliveries", "timings"}


def test_problems_are_described_with_their_media_type(client: AsgiClient) -> None:
    api = client.get("/ai/openapi.json").json()
    responses = api["paths"]["/ai/studies/{study_instance_uid}/runs"]["post"]["responses"]
    refused = {"400", "401", "403", "404", "409", "422", "429", "503"}
    assert set(responses) == {"200", "202"} | refused
    for status in refused:
        assert set(responses[status]["content"]) == {"application/problem+json"}
