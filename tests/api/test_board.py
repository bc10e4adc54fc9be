"""What the worklist page draws, and how it learns of changes."""

import pytest

from dicom_node.domain import Priority
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.ledgers import STUDY, Clock, fill, report
from tests.worklist_items import CONTRACT

BOTH = ["/ai/worklist", "/ai/board"]


def uids(client: AsgiClient, query: str = "") -> list[str]:
    items = client.get(f"/ai/board{query}").json()["items"]
    return [item["study_instance_uid"] for item in items]


def test_board_has_the_items_of_the_contract_with_their_place(
    client: AsgiClient, ledger: Ledger
) -> None:
    fill(ledger)
    items = client.get("/ai/board").json()["items"]
    plain = client.get("/ai/worklist").json()["items"]
    assert [{key: item[key] for key in CONTRACT} for item in items] == plain
    assert [(item["place"], item["bound_min"]) for item in items] == [
        ("STAT", None),
        ("FAILED", 60),
        ("PENDING", 240),
        ("LOW", 480),
    ]


def test_study_beyond_its_bound_is_overdue(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    report(ledger, priority=Priority.ROUTINE)
    clock.forward(240 * 60 + 1)
    (item,) = client.get("/ai/board").json()["items"]
    assert (item["place"], item["bound_min"]) == ("OVERDUE", 240)


def test_board_counts_what_it_does_not_show(client: AsgiClient, ledger: Ledger) -> None:
    fill(ledger)
    body = client.get("/ai/board?state=FAILED&limit=1").json()
    assert (body["matching"], body["total"]) == (1, 4)
    assert body["states"] == {"RECEIVED": 1, "REPORTED": 2, "FAILED": 1}
    assert body["modalities"] == ["CR", "CT"]


def test_filters(client: AsgiClient, ledger: Ledger) -> None:
    fill(ledger)
    assert uids(client, "?priority=STAT") == ["1.2.3"]
    assert uids(client, "?modality=CT&q=s%C3%89cret") == ["1.2.1"]
    assert uids(client, "?q=1.2.4") == ["1.2.4"]
    assert uids(client, "?q=nobody") == []
    assert uids(client, "?state=&modality=&priority=&q=&limit=") == uids(client)


@pytest.mark.parametrize("query", ["?priority=SOON", "?limit=0", f"?q={'x' * 201}"])
def test_filter_that_makes_no_sense_is_a_problem(client: AsgiClient, query: str) -> None:
    assert client.get(f"/ai/board{query}").status_code == 422


@pytest.mark.parametrize("path", BOTH)
def test_list_that_has_not_changed_is_not_sent_again(
    client: AsgiClient, ledger: Ledger, path: str
) -> None:
    fill(ledger)
    first = client.get(path)
    tag = first.headers["etag"]
    again = client.get(path, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-store"
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", BOTH)
def test_each_change_is_seen(client: AsgiClient, ledger: Ledger, path: str) -> None:
    tags = [client.get(path).headers["etag"]]
    report(ledger)
    tags.append(client.get(path).headers["etag"])
    client.post(f"/ai/studies/{STUDY}/assessments", json={"verdict": "accept"})
    tags.append(client.get(path).headers["etag"])
    client.post(f"/ai/studies/{STUDY}/runs", json={"force": True})
    tags.append(client.get(path).headers["etag"])
    assert len(set(tags)) == len(tags)


def test_time_that_changes_the_order_changes_the_tag(
    client: AsgiClient, ledger: Ledger, clock: Clock
) -> None:
    report(ledger, priority=Priority.ROUTINE)
    tag = client.get("/ai/board").headers["etag"]
    clock.forward(60)
    assert client.get("/ai/board", headers={"If-None-Match": tag}).status_code == 200
