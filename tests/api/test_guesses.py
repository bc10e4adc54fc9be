"""Wrong guesses through the whole application, and what is answered to those who must wait."""

import pytest

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.domain import Role
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.ledgers import Clock, add_user

HOME = {"X-Node-Address": "192.0.2.7"}
HTML = {"Accept": "text/html,application/xhtml+xml"}


def away(number: int) -> dict[str, str]:
    return {"X-Node-Address": f"198.51.100.{number}"}


@pytest.fixture
def ada(ledger: Ledger) -> tuple[str, str]:
    return add_user(ledger, "ada", Role.RADIOLOGIST)


def form(client: AsgiClient, user: tuple[str, str], headers: dict[str, str]) -> int:
    data = {"user": user[0], "password": user[1]}
    return client.post("/ai/login", data=data, headers=headers).status_code


def guess_ten(client: AsgiClient, way: str) -> None:
    for number in range(10):
        wrong = ("Ada" if number % 2 else "ada", f"wrong {number}")
        if way == "form":
            assert form(client, wrong, away(number)) == 401
        else:
            answer = client.get("/ai/worklist", auth=wrong, headers=away(number))
            assert answer.status_code == 401


@pytest.mark.parametrize("way", ["form", "basic"])
def test_ten_wrong_guesses_from_elsewhere_leave_a_user_in_at_home_also_after_a_restart(
    services: Services, ada: tuple[str, str], way: str
) -> None:
    client = AsgiClient(create(services))
    assert form(client, ada, HOME) == 303
    guess_ten(client, way)
    assert form(client, ada, away(99)) == 429
    assert form(client, ada, HOME) == 303
    assert client.get("/ai/worklist", auth=ada, headers=HOME).status_code == 200
    later = AsgiClient(create(services))
    guess_ten(later, way)
    assert form(later, ada, away(99)) == 429
    assert later.get("/ai/worklist", auth=ada, headers=away(98)).status_code == 429
    assert form(later, ada, HOME) == 303


def test_place_where_a_user_was_last_seen_long_ago_is_not_his_any_more(
    services: Services, ada: tuple[str, str], clock: Clock
) -> None:
    assert form(AsgiClient(create(services)), ada, HOME) == 303
    clock.forward(91 * 24 * 3600)
    client = AsgiClient(create(services))
    guess_ten(client, "form")
    assert form(client, ada, HOME) == 429


def test_guesses_at_home_are_counted_there(services: Services, ada: tuple[str, str]) -> None:
    client = AsgiClient(create(services))
    assert form(client, ada, HOME) == 303
    codes = [form(client, ("ada", f"wrong {n}"), HOME) for n in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert form(client, ada, HOME) == 429
    assert form(client, ada, away(1)) == 303


def test_same_wrong_guess_that_nginx_asks_about_twice_is_one(
    services: Services, ledger: Ledger, ada: tuple[str, str]
) -> None:
    client = AsgiClient(create(services))
    for number in range(10):
        for _ in range(2):
            answer = client.get("/ai/worklist", auth=("ada", f"wrong {number}"), headers=HOME)
            assert answer.status_code == 401
    failed = [entry for entry in ledger.audit.entries() if entry.action == "login.failed"]
    assert len(failed) == 10
    assert client.get("/ai/worklist", auth=ada, headers=HOME).status_code == 429


def test_whoever_must_wait_gets_a_page_or_a_problem_and_the_time(
    services: Services, ada: tuple[str, str]
) -> None:
    client = AsgiClient(create(services))
    guess_ten(client, "form")
    for headers in (HTML, {}, {"Accept": "application/json"}):
        answers = [
            client.get("/ai/worklist", auth=ada, headers={**away(1), **headers}),
            client.get("/ai/events", auth=ada, headers={**away(1), **headers}),
        ]
        for answer in answers:
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= 300
            kind = "text/html" if headers is HTML else "application/problem+json"
            assert answer.headers["content-type"].startswith(kind)
            assert answer.headers["retry-after"] in answer.text
    data = {"user": ada[0], "password": ada[1]}
    page = client.post("/ai/login", data=data, headers={**away(1), **HTML})
    assert page.status_code == 429
    assert page.headers["retry-after"] in page.text
    assert "Too many attempts" in page.text


def test_too_many_changes_get_a_page_or_a_problem_too(services: Services) -> None:
    app = create(services)
    client = AsgiClient(app)
    path = "/ai/runs/none/retry"
    while not app.state.door.limits.change("anonymous", HOME["X-Node-Address"]):
        pass
    told = client.post(path, headers=HOME)
    assert (told.status_code, told.json()["status"]) == (429, 429)
    page = client.post(path, headers=HOME | HTML)
    assert (page.status_code, page.headers["content-type"][:9]) == (429, "text/html")
    assert 0 < int(page.headers["retry-after"]) <= 60
    assert client.post(path, headers=away(1)).status_code == 404
