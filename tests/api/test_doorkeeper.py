"""Who gets in, and what is answered to those who do not."""

from dataclasses import replace

import pytest

from dicom_node.api.app import create
from dicom_node.api.door import Door
from dicom_node.api.services import Services
from dicom_node.domain import Role
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.ledgers import STUDY, add_user, at_once, report

RUNS = f"/ai/studies/{STUDY}/runs"
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def users(ledger: Ledger) -> dict[Role, tuple[str, str]]:
    return {role: add_user(ledger, role.value, role) for role in Role}


def moved(services: Services, **settings: object) -> AsgiClient:
    """Return a client of the same node under other settings."""
    chosen = services.settings.model_copy(update=settings)
    return AsgiClient(create(replace(services, settings=chosen)))


@pytest.mark.parametrize("token", ["", "wrong", "the node's token "])
@pytest.mark.parametrize("path", ["/ai/", "/ai/health", "/ai/login", "/internal/refused"])
def test_only_the_front_door_is_answered(client: AsgiClient, token: str, path: str) -> None:
    answer = client.get(path, headers={"X-Node-Token": token, **HTML})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "front door alone" in answer.json()["detail"]


def test_without_users_everybody_may_all_and_is_nobody(client: AsgiClient) -> None:
    told = client.get("/ai/session").json()
    assert told == {"user": "anonymous", "role": "operator", "open": True}
    assert "open to this machine" in client.get("/ai/").text


@pytest.mark.usefixtures("users")
def test_browser_is_led_to_the_login_and_a_program_told(client: AsgiClient) -> None:
    page = client.get("/ai/?state=FAILED", headers=HTML)
    assert page.status_code == 303
    assert page.headers["location"] == "/ai/login?next=%2Fai%2F%3Fstate%3DFAILED"
    told = client.get("/ai/worklist")
    assert (told.status_code, told.json()["status"]) == (401, 401)
    assert told.headers["www-authenticate"].startswith("Session")
    assert client.post(RUNS, headers=HTML).status_code == 401


def test_node_that_others_reach_is_shut_even_without_users(services: Services) -> None:
    assert moved(services, allow_remote=True).get("/ai/worklist").status_code == 401


def test_first_user_shuts_the_node_and_the_last_one_opens_it(
    services: Services, ledger: Ledger
) -> None:
    assert AsgiClient(create(services)).get("/ai/worklist").status_code == 200
    add_user(ledger, "ada", Role.OPERATOR)
    assert AsgiClient(create(services)).get("/ai/worklist").status_code == 401
    ledger.users.set_disabled("ada", True)
    assert AsgiClient(create(services)).get("/ai/worklist").status_code == 401
    ledger.users.remove("ada")
    assert AsgiClient(create(services)).get("/ai/worklist").status_code == 200


def test_each_role_gets_what_it_may(
    client: AsgiClient, ledger: Ledger, users: dict[Role, tuple[str, str]]
) -> None:
    report(ledger)
    verdict = {"verdict": "accept"}
    got = {
        role: (
            client.get(f"/ai/studies/{STUDY}", auth=user).status_code,
            client.post(f"/ai/studies/{STUDY}/assessments", json=verdict, auth=user).status_code,
            client.post("/ai/runs/none/retry", auth=user).status_code,
        )
        for role, user in users.items()
    }
    assert got == {
        Role.READER: (200, 403, 403),
        Role.RADIOLOGIST: (200, 201, 403),
        Role.OPERATOR: (200, 201, 404),
    }
    refused = client.post("/ai/runs/none/retry", auth=users[Role.READER]).json()
    assert refused["detail"].startswith("a reader may not do this")


def test_basic_credentials_end_with_the_password_or_the_user(
    client: AsgiClient, ledger: Ledger, users: dict[Role, tuple[str, str]]
) -> None:
    user = users[Role.READER]
    assert client.get("/ai/worklist", auth=user).status_code == 200
    ledger.users.set_disabled(user[0], True)
    assert client.get("/ai/worklist", auth=user).status_code == 401
    ledger.users.set_disabled(user[0], False)
    assert client.get("/ai/worklist", auth=user).status_code == 200
    ledger.users.set_password(user[0], "another hash")
    assert client.get("/ai/worklist", auth=user).status_code == 401


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Bearer abc", "Digest x"])
def test_credentials_of_no_use_are_none(client: AsgiClient, header: str) -> None:
    answer = client.get("/ai/worklist", headers={"Authorization": header})
    assert answer.status_code == 401


def test_too_many_wrong_passwords_are_429_with_the_time_to_wait(
    client: AsgiClient, users: dict[Role, tuple[str, str]], ledger: Ledger
) -> None:
    name, password = users[Role.READER]
    wrong = [
        client.get("/ai/worklist", auth=(name, f"wrong {number}")).status_code
        for number in range(11)
    ]
    assert wrong == [401] * 10 + [429]
    answer = client.get("/ai/worklist", auth=(name, password))
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 300
    failed = [entry for entry in ledger.audit.entries() if entry.action == "login.failed"]
    assert {entry.actor for entry in failed} == {name}
    assert len(failed) == 10


def test_guesses_that_are_sent_at_once_are_counted_like_any(
    services: Services, ledger: Ledger, users: dict[Role, tuple[str, str]]
) -> None:
    door = Door(ledger, services.settings)
    name, password = users[Role.READER]
    right = at_once(lambda n: door.log_in(name, password, f"a{n}", "basic"), 30)
    wrong = at_once(lambda n: door.log_in(name, "guess", f"b{n}", "basic"), 30)
    assert all(attempt.identity is not None for attempt in right)
    assert sum(attempt.wait_s == 0 for attempt in wrong) == 10
    failed = [entry for entry in ledger.audit.entries() if entry.action == "login.failed"]
    assert len(failed) == 10


def test_too_many_changes_are_429(client: AsgiClient) -> None:
    answers = [client.post("/ai/runs/none/retry").status_code for _ in range(601)]
    assert answers == [404] * 600 + [429]
    assert client.get("/ai/worklist").status_code == 200


def test_other_sites_are_refused_before_anybody_is_asked_who_he_is(client: AsgiClient) -> None:
    for method, headers in (
        ("POST", {"Sec-Fetch-Site": "cross-site"}),
        ("POST", {"Origin": "https://evil.example"}),
        ("GET", {"X-Node-Host": "evil.example"}),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        ("OPTIONS", {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}),
    ):
        answer = client.request(method, "/ai/worklist", headers=headers)
        assert answer.status_code == 403
        granted = [name for name in answer.headers if name.startswith("access-control-")]
        assert granted == []


def test_an_answer_says_what_it_is_not_for(client: AsgiClient, services: Services) -> None:
    for path in (
        "/ai/",
        "/ai/worklist",
        "/ai/login",
        "/ai/none",
        "/ai/static/node.css",
        "/ai/docs",
    ):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] in {"no-store", "no-cache"}
        assert "strict-transport-security" not in headers
    assert client.get("/ai/metrics").headers["cache-control"] == "no-store"
    headers = moved(services, public_url="https://node.example").get("/ai/").headers
    assert headers["strict-transport-security"] == "max-age=31536000"
