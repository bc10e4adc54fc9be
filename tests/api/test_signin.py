"""Login and logout by form, without JavaScript."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.api.signin import place
from dicom_node.domain import Role
from dicom_node.ledger import Ledger, Lifetime
from tests.asgi import AsgiClient
from tests.ledgers import STUDY, Clock, add_user, report

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def ada(ledger: Ledger) -> tuple[str, str]:
    return add_user(ledger, "ada", Role.RADIOLOGIST)


def log_in(client: AsgiClient, user: tuple[str, str], wanted: str = "/ai/") -> httpx.Response:
    form = {"user": user[0], "password": user[1], "next": wanted}
    return client.post("/ai/login", data=form, headers=SAME)


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_login_leads_to_where_the_user_wanted_to_go(
    client: AsgiClient, ada: tuple[str, str]
) -> None:
    answer = log_in(client, ("ADA", ada[1]), "/ohif/viewer?StudyInstanceUIDs=1.2.3")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/ohif/viewer?StudyInstanceUIDs=1.2.3",
    )
    told = client.get("/ai/session", headers=cookie_of(answer)).json()
    assert told == {"user": "ada", "role": "radiologist", "open": False}
    page = client.get("/ai/", headers=cookie_of(answer)).text
    assert "ada, radiologist" in page
    assert 'action="/ai/logout" >' in page


def test_cookie_is_for_this_node_and_its_pages_alone(
    client: AsgiClient, services: Services, ada: tuple[str, str]
) -> None:
    name, _, attributes = log_in(client, ada).headers["set-cookie"].partition("=")
    assert name == "dicom-node-session-8042"
    assert attributes.split("; ")[1:] == ["HttpOnly", "Path=/", "SameSite=lax"]
    secure = services.settings.model_copy(update={"public_url": "https://node.example"})
    answer = log_in(AsgiClient(create(replace(services, settings=secure))), ada)
    name, _, attributes = answer.headers["set-cookie"].partition("=")
    assert name == "__Host-dicom-node-session-443"
    assert attributes.split("; ")[1:] == ["HttpOnly", "Path=/", "SameSite=lax", "Secure"]


@pytest.mark.parametrize("user", [("ada", "wrong"), ("eve", "wrong"), ("", ""), ("a" * 65, "x")])
@pytest.mark.usefixtures("ada")
def test_wrong_login_says_no_more_than_that(client: AsgiClient, user: tuple[str, str]) -> None:
    answer = log_in(client, user, "/ai/trends")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "Name or password is wrong" in answer.text
    assert 'value="/ai/trends"' in answer.text
    assert user[0] == "" or f'"{user[0]}"' not in answer.text


def test_disabled_user_is_turned_away(
    client: AsgiClient, ledger: Ledger, ada: tuple[str, str]
) -> None:
    ledger.users.set_disabled("ada", True)
    assert log_in(client, ada).status_code == 401


def test_tenth_wrong_password_shuts_the_page_for_minutes(
    client: AsgiClient, ada: tuple[str, str]
) -> None:
    codes = [log_in(client, ("ada", f"wrong {n}")).status_code for n in range(10)]
    answer = log_in(client, ada)
    assert (codes, answer.status_code) == ([401] * 10, 429)
    assert int(answer.headers["retry-after"]) > 0
    assert "Try again in" in answer.text


def test_logins_are_written_down_without_what_was_typed(
    client: AsgiClient, ledger: Ledger, ada: tuple[str, str]
) -> None:
    log_in(client, ("my password by mistake", "x"))
    log_in(client, ("ada", "wrong"))
    answer = log_in(client, ada)
    client.post("/ai/logout", headers=cookie_of(answer) | SAME)
    acts = [(entry.actor, entry.action) for entry in ledger.audit.entries()]
    assert acts == [
        ("ada", "logout"),
        ("ada", "login"),
        ("ada", "login.failed"),
        ("unknown", "login.failed"),
    ]
    assert not any("mistake" in entry.detail for entry in ledger.audit.entries())


def test_logout_ends_the_session(client: AsgiClient, ada: tuple[str, str]) -> None:
    cookie = cookie_of(log_in(client, ada))
    answer = client.post("/ai/logout", headers=cookie | SAME)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ai/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert client.get("/ai/session", headers=cookie).status_code == 401
    assert client.post("/ai/logout").status_code == 303


@pytest.mark.parametrize(
    "foreign", ["a[1]=x", "n\u00e4me=x", "{}", 'json={"a":"b,c"}', "=", "a b=c"]
)
def test_cookie_of_something_else_does_not_hide_the_session(
    client: AsgiClient, ada: tuple[str, str], foreign: str
) -> None:
    cookie = cookie_of(log_in(client, ada))["Cookie"]
    for sent in (f"{foreign}; {cookie}", f"{cookie}; {foreign}"):
        headers = {"Cookie": sent.encode()}
        assert client.get("/ai/session", headers=headers).status_code == 200


def test_new_login_ends_the_session_before(client: AsgiClient, ada: tuple[str, str]) -> None:
    first = cookie_of(log_in(client, ada))
    form = {"user": ada[0], "password": ada[1]}
    second = cookie_of(client.post("/ai/login", data=form, headers=first | SAME))
    assert client.get("/ai/session", headers=first).status_code == 401
    assert client.get("/ai/session", headers=second).status_code == 200


def test_another_site_can_log_nobody_in_or_out(client: AsgiClient, ada: tuple[str, str]) -> None:
    form = {"user": ada[0], "password": ada[1]}
    cookie = cookie_of(log_in(client, ada))
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert client.post("/ai/login", data=form, headers=foreign).status_code == 403
        assert client.post("/ai/logout", headers=cookie | foreign).status_code == 403
    assert client.get("/ai/session", headers=cookie).status_code == 200


def test_looking_at_the_list_keeps_no_session_alive(
    client: AsgiClient, ada: tuple[str, str], clock: Clock
) -> None:
    cookie = cookie_of(log_in(client, ada))
    clock.forward(50 * 60)
    assert client.get("/ai/board", headers=cookie).status_code == 200
    clock.forward(11 * 60)
    assert client.get("/ai/board", headers=cookie).status_code == 401


def test_drawer_that_refreshes_itself_is_no_act_and_one_look(
    client: AsgiClient, ada: tuple[str, str], clock: Clock, ledger: Ledger
) -> None:
    report(ledger)
    by_itself = cookie_of(log_in(client, ada)) | {"X-Refresh": "1"}
    for _ in range(2):  # who says so at first has looked as well
        assert client.get(f"/ai/studies/{STUDY}", headers=by_itself).status_code == 200
        clock.forward(25 * 60)
    assert client.get(f"/ai/studies/{STUDY}", headers=by_itself).status_code == 200
    clock.forward(11 * 60)
    assert client.get(f"/ai/studies/{STUDY}", headers=by_itself).status_code == 401
    looks = [entry for entry in ledger.audit.entries(STUDY) if entry.action == "study.open"]
    assert [entry.actor for entry in looks] == ["ada"]


@pytest.mark.parametrize(
    ("wanted", "led"),
    [
        ("/ai/?state=FAILED&q=a%20b", "/ai/?state=FAILED&q=a%20b"),
        ("/ohif/viewer?StudyInstanceUIDs=1.2", "/ohif/viewer?StudyInstanceUIDs=1.2"),
        ("/app/explorer.html", "/app/explorer.html"),
        ("https://evil.example/ai/", "/ai/"),
        ("//evil.example/ai/", "/ai/"),
        ("/\\evil.example", "/ai/"),
        ("/ai/\\..\\", "/ai/"),
        ("javascript:alert(1)", "/ai/"),
        ("/studies/1/archive", "/ai/"),
        ("/ai/login?next=/ai/", "/ai/"),
        ("/ai/\r\nSet-Cookie: a=b", "/ai/"),
        ("http://[", "/ai/"),
        ("", "/ai/"),
        ('/ai/?q="><script>', "/ai/?q=%22%3E%3Cscript%3E"),
        ("/ai/?q=é", "/ai/?q=%C3%A9"),
    ],
)
def test_place_is_one_of_the_nodes_own_pages(wanted: str, led: str) -> None:
    assert place(wanted) == led


@pytest.mark.parametrize(
    "request_",
    [
        {"content": b"x" * 9000, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        {"json": {"user": "ada"}},
        {
            "content": b"&".join(b"a=%d" % n for n in range(20)),
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
    ],
)
@pytest.mark.usefixtures("ada")
def test_form_that_is_none_is_a_problem(client: AsgiClient, request_: dict[str, object]) -> None:
    answer = client.post("/ai/login", **request_)
    assert answer.status_code in {400, 415}
    assert answer.headers["content-type"] == "application/problem+json"


def test_form_without_an_end_is_read_no_further_than_a_form_is_long(client: AsgiClient) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"x" * 1024

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/ai/login", content=endless(), headers=headers).status_code == 415
    assert taken < 20


def test_login_page_of_an_open_node_says_so(client: AsgiClient) -> None:
    page = client.get("/ai/login").text
    assert "<p >Nobody needs to log in" in page


def test_session_of_the_site_ends_with_the_sites_login(
    client: AsgiClient, ledger: Ledger, ada: tuple[str, str]
) -> None:
    lifetime = Lifetime(timedelta(hours=1), timedelta(hours=12))
    token = ledger.sessions.begin("grace", lifetime, Role.OPERATOR)
    cookie = {"Cookie": f"dicom-node-session-8042={token}"}
    assert client.get("/ai/session", headers=cookie).status_code == 401


def test_site_login_that_is_not_set_up_is_404(client: AsgiClient) -> None:
    assert client.get("/ai/login/oidc").status_code == 404
    assert "hidden>Log in with the site" in client.get("/ai/login").text
