"""What the plugin's filter lets in; the API behind it is the real one, in this process."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from dicom_node import policy
from dicom_node.access.fetches import Fetches
from dicom_node.access.guard import Guard
from dicom_node.access.origin import Origins
from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.domain import Role
from dicom_node.intake.room import Room
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.settings import Settings
from tests.asgi import AsgiClient
from tests.fakes import FakeAdmission, FakeCatalogue
from tests.ledgers import add_user

GET, POST, PUT, DELETE = 1, 2, 3, 4
HERE = {"Host": "127.0.0.1:8042"}


class Api:
    """The way to the API; ``away`` where its process is being restarted."""

    def __init__(self, app: FastAPI) -> None:
        self._client = AsgiClient(app)
        self.away = False
        self.asked = 0
        self.addresses: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.addresses.append(request.headers["x-node-address"])
        if self.away:
            raise httpx.ConnectError("nobody listens")
        answer = self._client.request(request.method, request.url.path, headers=request.headers)
        return httpx.Response(answer.status_code, json=answer.json())


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")) as opened:
        yield opened


@pytest.fixture
def api(ledger: Ledger, tmp_path: Path) -> Api:
    services = Services(
        ledger=ledger,
        admission=FakeAdmission(ledger),
        catalogue=FakeCatalogue(),
        probes={},
        settings=Settings(home=tmp_path),
        policy=policy.load(),
        room=Room((), 0, lambda: 0, 1),
        token="token",
    )
    return Api(create(services))


def guard(api: Api, *, proxied: bool = False, timer: Callable[[], float] = time.monotonic) -> Guard:
    client = httpx.Client(transport=httpx.MockTransport(api), base_url="http://api")
    origins = Origins.of("http://127.0.0.1:8042")
    fetches = Fetches(orthanc)
    return Guard(client, "token", origins, proxied=proxied, fetches=fetches, timer=timer)


def orthanc(path: str, _body: bytes) -> bytes:
    """Stand for Orthanc, in which every second image belongs to another study."""
    number = int(path.split("/")[2]) % 2 + 1
    return json.dumps({"MainDicomTags": {"StudyInstanceUID": f"1.2.{number}"}}).encode()


def fetched(ledger: Ledger) -> list[tuple[str, str | None]]:
    entries = reversed(ledger.audit.entries())
    return [(one.actor, one.study_instance_uid) for one in entries if one.action == "study.fetch"]


def basic(user: tuple[str, str]) -> dict[str, str]:
    request = httpx.Request("GET", "http://x")
    (flow,) = httpx.BasicAuth(*user).auth_flow(request)
    return {**HERE, "Authorization": flow.headers["authorization"]}


def test_without_users_everybody_on_this_machine_may_all(api: Api) -> None:
    open_guard = guard(api)
    assert all(open_guard.admits("/changes", method, "127.0.0.1", HERE) for method in (GET, DELETE))


def test_open_node_is_read_while_the_api_is_away_and_nothing_is_changed(api: Api) -> None:
    open_guard = guard(api)
    assert open_guard.admits("/system", GET, "127.0.0.1", HERE)
    api.away = True
    assert open_guard.admits("/instances/1/file", GET, "127.0.0.2", HERE)
    assert not open_guard.admits("/instances/1", DELETE, "127.0.0.2", HERE)


def test_known_user_reads_on_for_ten_minutes_while_the_api_is_away(
    api: Api, ledger: Ledger
) -> None:
    now = [0.0]
    operator = basic(add_user(ledger, "ada", Role.OPERATOR))
    at_door = guard(api, timer=lambda: now[0])
    assert at_door.admits("/instances/1/file", GET, "", operator)
    api.away = True
    now[0] = 599.0
    assert at_door.admits("/instances/1/file", GET, "", operator)
    assert not at_door.admits("/instances/1", DELETE, "", operator)
    now[0] = 601.0
    assert not at_door.admits("/instances/1/file", GET, "", operator)
    api.away = False
    assert at_door.admits("/instances/1", DELETE, "", operator)


def test_each_role_gets_what_it_may(api: Api, ledger: Ledger) -> None:
    reader, operator = (add_user(ledger, role.value, role) for role in (Role.READER, Role.OPERATOR))
    at_door = guard(api)
    assert not at_door.admits("/system", GET, "127.0.0.1", HERE)
    assert at_door.admits("/system", GET, "127.0.0.1", basic(reader))
    assert not at_door.admits("/studies/1", DELETE, "127.0.0.1", basic(reader))
    assert at_door.admits("/studies/1", DELETE, "127.0.0.1", basic(operator))
    assert not at_door.admits("/system", 99, "127.0.0.1", basic(reader))


def test_only_the_token_makes_a_request_the_nodes_own(api: Api) -> None:
    at_door = guard(api)
    assert at_door.is_the_node({"X-Node-Token": "token"})
    assert not any(map(at_door.is_the_node, ({}, {"X-Node-Token": "guess"}, {"X-Node-Token": ""})))


def test_wrong_password_gets_nothing_and_in_the_end_the_right_one_neither(
    api: Api, ledger: Ledger
) -> None:
    name, password = add_user(ledger, "ada", Role.OPERATOR)
    at_door = guard(api)
    for number in range(11):
        wrong = basic((name, f"wrong {number}"))
        assert not at_door.admits("/system", GET, "127.0.0.1", wrong)
    assert not at_door.admits("/system", GET, "127.0.0.1", basic((name, password)))


@pytest.mark.parametrize("name", ["Cookie", "Authorization", "X-Forwarded-For", "User-Agent"])
def test_header_beyond_ascii_is_no_credential_and_no_error(
    api: Api, ledger: Ledger, name: str
) -> None:
    reader = add_user(ledger, "ada", Role.READER)
    at_door = guard(api, proxied=True)
    assert not at_door.admits("/system", GET, "127.0.0.1", HERE | {name: "Müller=ü"})
    assert at_door.admits("/system", GET, "127.0.0.1", {name: "Müller=ü"} | basic(reader)) is True


def test_the_api_is_asked_once_for_many_images(api: Api, ledger: Ledger) -> None:
    reader = add_user(ledger, "ada", Role.READER)
    at_door = guard(api)
    assert all(at_door.admits("/system", GET, "", basic(reader)) for _ in range(100))
    assert api.asked == 1


def test_who_fetches_images_is_in_the_trail_once_an_hour(api: Api, ledger: Ledger) -> None:
    ada, eve = (add_user(ledger, name, Role.READER) for name in ("ada", "eve"))
    now = [0.0]
    at_door = guard(api, timer=lambda: now[0])
    for number in range(100):
        assert at_door.admits(f"/instances/{number}/file", GET, "", basic(ada))
    assert api.asked == 3
    assert fetched(ledger) == [("ada", "1.2.1"), ("ada", "1.2.2")]
    assert at_door.admits("/instances/1/file", GET, "", basic(eve))
    assert fetched(ledger)[2:] == [("eve", "1.2.2")]
    now[0] = 3601.0
    asked = api.asked
    assert at_door.admits("/instances/1/file", GET, "", basic(eve))
    assert api.asked == asked + 2


def test_the_nodes_own_fetches_and_refused_ones_are_not_in_the_trail(
    api: Api, ledger: Ledger
) -> None:
    reader = add_user(ledger, "ada", Role.READER)
    at_door = guard(api)
    assert at_door.admits("/instances/1/file", GET, "", {**HERE, "X-Node-Token": "token"})
    assert not at_door.admits("/instances/1/file", GET, "", HERE)
    assert not at_door.admits("/instances/1", DELETE, "", basic(reader))
    assert fetched(ledger) == []


def test_what_cannot_be_written_down_is_not_given(api: Api, ledger: Ledger) -> None:
    reader = add_user(ledger, "ada", Role.READER)
    at_door = guard(api)
    assert at_door.admits("/instances/1/file", GET, "", basic(reader))
    api.away = True
    assert at_door.admits("/instances/3/file", GET, "", basic(reader))
    assert not at_door.admits("/instances/2/file", GET, "", basic(reader))
    api.away = False
    assert at_door.admits("/instances/2/file", GET, "", basic(reader))


def test_on_an_open_node_nobody_in_particular_fetches(api: Api, ledger: Ledger) -> None:
    assert guard(api).admits("/instances/1/file", GET, "127.0.0.1", HERE)
    assert fetched(ledger) == [("anonymous", "1.2.2")]


def test_while_the_api_is_away_nobody_new_comes_in(api: Api, ledger: Ledger) -> None:
    user = add_user(ledger, "ada", Role.OPERATOR)
    at_door = guard(api)
    api.away = True
    assert not at_door.admits("/system", GET, "", basic(user))
    api.away = False
    assert at_door.admits("/system", GET, "", basic(user))


def test_the_nodes_own_processes_need_no_user(api: Api, ledger: Ledger) -> None:
    add_user(ledger, "ada", Role.READER)
    at_door = guard(api)
    api.away = True
    own = {"Host": "orthanc:8042", "X-Node-Token": "token"}
    assert at_door.admits("/instances", POST, "10.0.0.1", own)
    assert not at_door.admits("/instances", POST, "10.0.0.1", {**own, "X-Node-Token": "Token"})


def test_other_sites_get_nothing_from_an_open_node(api: Api) -> None:
    open_guard = guard(api)
    rebound = {"Host": "evil.example:8042"}
    assert not open_guard.admits("/studies", GET, "127.0.0.1", rebound)
    forged = {**HERE, "Origin": "http://evil.example"}
    assert not open_guard.admits("/tools/reset", POST, "127.0.0.1", forged)
    assert api.asked == 0


@pytest.mark.parametrize("path", ["/ai", "/ai/worklist", "/ohif", "/ohif/app.js"])
def test_what_the_api_answers_itself_passes(api: Api, path: str) -> None:
    assert guard(api).admits(path, POST, "127.0.0.1", {"Host": "evil.example"})


def test_body_that_nobody_has_read_is_short_or_the_nodes_own(api: Api) -> None:
    at_door = guard(api)
    for headers, let_in in (
        ({}, True),
        ({"Content-Length": "65536"}, True),
        ({"Content-Length": "65537"}, False),
        ({"Content-Length": "9" * 5000}, False),
        ({"Content-Length": "-1"}, False),
        ({"Content-Length": "٣"}, False),
        ({"Transfer-Encoding": "chunked"}, False),
        ({"Content-Length": "10000000", "X-Node-Token": "token"}, True),
    ):
        assert at_door.admits("/ai/login", POST, "127.0.0.1", HERE | headers) is let_in


@pytest.mark.parametrize(("proxied", "address"), [(True, "192.0.2.9"), (False, "127.0.0.1")])
def test_only_a_proxy_of_the_site_may_tell_another_address(
    api: Api, proxied: bool, address: str
) -> None:
    at_door = guard(api, proxied=proxied)
    forwarded = {**HERE, "X-Forwarded-For": "10.6.6.6, 192.0.2.9"}
    assert at_door.admits("/system", GET, "127.0.0.1", forwarded)
    assert (at_door.address(), api.addresses) == (address, [address])
