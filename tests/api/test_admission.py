"""What nginx is told about a request that it is about to pass to Orthanc."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
import pytest

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.domain import Role
from dicom_node.intake.room import Room
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.ledgers import add_user

ADMITTED, REFUSED = 204, 403


class Nginx:
    """Asks as nginx does: the path with its encoding undone, the query as it came."""

    def __init__(self, services: Services) -> None:
        self._client = AsgiClient(create(services))

    def admit(self, method: str, uri: str, **options: Any) -> int:
        return self._ask("/internal/admit", method, uri, **options).status_code

    def refused(self, method: str, uri: str, **options: Any) -> httpx.Response:
        return self._ask("/internal/refused", method, uri, **options)

    def _ask(
        self, place: str, method: str, uri: str, *, length: str = "", **options: Any
    ) -> httpx.Response:
        path, _, query = uri.partition("?")
        said: dict[str, str] = {
            "X-Node-Uri": uri,
            "X-Node-Args": query,
            "X-Node-Method": method,
            "X-Node-Length": length,
            "X-Node-Host": "127.0.0.1",
            "X-Node-Address": "127.0.0.1",
        }
        given = options.pop("headers", {})
        assert isinstance(given, dict)
        raw = [(k.encode(), v.encode()) for k, v in (said | given).items()]
        raw.append((b"X-Node-Path", unquote_to_bytes(path)))
        return self._client.get(place, headers=raw, **options)


@pytest.fixture
def nginx(services: Services) -> Nginx:
    return Nginx(services)


@pytest.fixture
def users(ledger: Ledger) -> dict[Role, tuple[str, str]]:
    return {role: add_user(ledger, role.value, role) for role in Role}


@pytest.mark.parametrize(
    ("method", "uri", "who"),
    [
        ("GET", "/studies", "reader radiologist operator"),
        ("GET", "/ohif/viewer?StudyInstanceUIDs=1.2", "reader radiologist operator"),
        ("POST", "/tools/find", "reader radiologist operator"),
        ("GET", "/dicom-web/studies/1.2/metadata", "reader radiologist operator"),
        ("GET", "/changes", "operator"),
        ("GET", "/modalities", "operator"),
        ("POST", "/instances", "operator"),
        ("POST", "/dicom-web/studies", "operator"),
        ("DELETE", "/dicom-web/studies/1.2", "operator"),
        ("DELETE", "/studies/a", "operator"),
        ("PUT", "/tools/log-level", "operator"),
        ("POST", "/tools/execute-script", "operator"),
        ("GET", "/s%74udies", "reader radiologist operator"),
        ("GET", "/studies?_method=DELETE", ""),
        ("GET", "/studies?a=1&%5fMethod=delete", ""),
        ("TRACE", "/studies", ""),
        ("OPTIONS", "/studies", ""),
        ("GET", "/stud%ff", ""),
    ],
)
def test_each_role_comes_only_where_it_may(
    nginx: Nginx, users: dict[Role, tuple[str, str]], method: str, uri: str, who: str
) -> None:
    got = {role.value for role in Role if nginx.admit(method, uri, auth=users[role]) == ADMITTED}
    assert got == set(who.split())
    assert nginx.admit(method, uri) == REFUSED


def test_method_in_a_header_is_refused(nginx: Nginx) -> None:
    assert nginx.admit("GET", "/studies/a", headers={"X-HTTP-Method-Override": "DELETE"}) == REFUSED
    assert nginx.admit("GET", "/studies/a") == ADMITTED


def test_who_is_turned_away_is_told_why(nginx: Nginx, users: dict[Role, tuple[str, str]]) -> None:
    stranger = nginx.refused("GET", "/studies")
    assert (stranger.status_code, stranger.json()["status"]) == (401, 401)
    page = nginx.refused("GET", "/app/explorer.html?a=b", headers={"Accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["location"] == "/ai/login?next=%2Fapp%2Fexplorer.html%3Fa%3Db"
    reader = nginx.refused("GET", "/changes", auth=users[Role.READER])
    assert (reader.status_code, "a reader may not" in reader.text) == (403, True)
    odd = nginx.refused("GET", "/studies?_method=PUT", auth=users[Role.OPERATOR])
    assert odd.status_code == 400
    assert nginx.refused("GET", "/studies", auth=users[Role.READER]).status_code == 503


def test_nothing_of_one_request_counts_for_the_next(
    nginx: Nginx, users: dict[Role, tuple[str, str]]
) -> None:
    for _ in range(3):
        assert nginx.admit("GET", "/changes", auth=users[Role.OPERATOR]) == ADMITTED
        assert nginx.admit("GET", "/changes", auth=users[Role.READER]) == REFUSED
        assert nginx.admit("GET", "/studies", auth=users[Role.READER]) == ADMITTED
        assert nginx.admit("GET", "/studies") == REFUSED


def test_uploads_ask_for_room(services: Services) -> None:
    full = Nginx(replace(services, room=Room((services.settings.root,), 1 << 60, lambda: 0, 1)))
    assert full.admit("POST", "/instances", length="100") == REFUSED
    assert full.admit("GET", "/studies") == ADMITTED
    told = full.refused("POST", "/instances", length="100")
    assert (told.status_code, "Images are refused" in told.text) == (503, True)
    assert int(told.headers["retry-after"]) > 0


def test_fetch_is_in_the_trail_once_and_before_it_happens(
    services: Services, ledger: Ledger, users: dict[Role, tuple[str, str]]
) -> None:
    asked: list[str] = []

    def look_up(path: str, _body: bytes) -> bytes:
        asked.append(path)
        return json.dumps({"MainDicomTags": {"StudyInstanceUID": "1.2.3"}}).encode()

    nginx = Nginx(replace(services, look_up=look_up))
    for number in range(4):
        uri = f"/instances/a/frames/{number}"
        assert nginx.admit("GET", uri, auth=users[Role.READER]) == ADMITTED
    entries = [e for e in ledger.audit.entries() if e.action == "study.fetch"]
    assert [(e.actor, e.study_instance_uid) for e in entries] == [("reader", "1.2.3")]
    assert asked == ["/instances/a/study"]


def test_other_sites_get_nothing(nginx: Nginx) -> None:
    assert nginx.admit("GET", "/studies", headers={"Sec-Fetch-Site": "cross-site"}) == REFUSED
    assert nginx.admit("POST", "/tools/find", headers={"Origin": "https://evil.example"}) == REFUSED
    assert nginx.admit("GET", "/studies", headers={"X-Node-Host": "evil.example"}) == REFUSED
