"""Whatever is sent, the API answers as it says, and never with a fault of its own."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from dicom_node.api.app import create
from dicom_node.api.services import Services
from dicom_node.ledger import Ledger
from tests.asgi import AsgiClient
from tests.event_streams import ApiServer, serving
from tests.fakes import KnowingAdmission
from tests.ledgers import STUDY, report

PROBLEM = "application/problem+json"
ODD = ("%00", "%FF", "%ED%A0%80", "%C0%AF", "..%2F..%2Fx", "%2e%2e", "%0D%0AX:%20y", "a" * 5000)
PLACES = (
    "/{}", "/ai/{}", "/ai/static/{}", "/ai/static/{}/x.css", "/ai/studies/{}", "/ai/studies/1.2{}",
    "/ai/runs/{}/retry", "/ai/studies/{}/runs", "/ai/login/{}", "/dicom-web/studies/{}", "/ohif/{}",
)  # fmt: skip
QUERIES = (
    "/ai/worklist?state={}", "/ai/worklist?limit={}", "/ai/worklist?{}=1", "/ai/board?q={}",
    "/ai/board?modality={}", "/ai/board?limit={}", "/ai/history?days={}", "/ai/login?next={}",
    "/ai/login/oidc?next={}", "/ai/login/oidc/callback?state={}", "/ai/health?{}",
    "/dicom-web/studies?{}=1", "/dicom-web/studies?PatientName={}", "/dicom-web/studies?limit={}",
    "/dicom-web/studies?offset={}",
)  # fmt: skip
DEEP = 20_000
BODIES = (
    b"", b"\xff", b"\x00", b"{", b"null", b"[]", b'"', b"NaN", b"1" * 5000, b"\xef\xbb\xbf{}",
    b"[" * DEEP, b'{"force":' * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"force": 1e999}',
    b'{"force": 1}', b'{"verdict": "accept", "comment": "\\ud800"}',
    b'{"verdict": "accept", "comment": "\\u0000"}', b'{"verdict": "accept", "finding": "\\u0000"}',
)  # fmt: skip
KINDS = (
    "application/json", "application/json; charset=utf-16", "",
    "text/plain", "application/xml", "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded", "\xff", ";", "application/" + "x" * 9000,
)  # fmt: skip
ROUTES_WITH_BODY = (
    f"/ai/studies/{STUDY}/runs", f"/ai/studies/{STUDY}/assessments", "/ai/runs/1/retry",
    "/ai/login", "/ai/logout",
)  # fmt: skip
METHODS = ("HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "CONNECT", "PROPFIND")
HEADERS = (
    "Accept", "Authorization", "Cookie", "If-None-Match", "Last-Event-ID", "Origin", "X-Refresh",
    "X-Node-Claim", "X-Node-Host", "X-Node-Uri", "X-Node-Address", "Content-Length-Range", "Range",
)  # fmt: skip
VALUES = (
    b"\xff",
    b"x" * 15_000,
    b"[::",
    b"Basic \xff",
    b"Basic AAA6AAA=",
    b";=;,",
    b"a=\xff; \xff=",
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite3"


@pytest.fixture
def app(services: Services, ledger: Ledger, serving: None) -> FastAPI:
    report(ledger)
    return create(replace(services, admission=KnowingAdmission(ledger)))


@pytest.fixture
def client(app: FastAPI) -> AsgiClient:
    return AsgiClient(app)


@pytest.fixture
def api(app: FastAPI, tmp_path: Path) -> Iterator[ApiServer]:
    with serving(app, tmp_path) as server:
        yield server


def check(answer: http.client.HTTPResponse, what: object, *statuses: int) -> None:
    """See that an answer is one of what may be, and a problem where it is an error."""
    status, kind = answer.status, answer.headers.get("content-type", "")
    assert status in statuses, (what, status)
    assert status < 400 or kind == PROBLEM or (status == 401 and kind.startswith("text/html")), what


def ask(api: ApiServer, head: bytes, body: bytes = b"") -> http.client.HTTPResponse:
    """Send the bytes of a request as they are; return its answer, read to its end."""
    line, _, more = head.partition(b"\n")
    lines = [line, b"Host: node", b"X-Node-Token: " + api.token.encode(), b"Connection: close"]
    lines += [part for part in more.split(b"\n") if part]
    lines += [b"Content-Length: %d" % len(body)] if body else []
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(60)
        wire.connect(str(api.socket))
        with suppress(BrokenPipeError):  # it may answer before it has read everything
            wire.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        answer = http.client.HTTPResponse(wire, method=line.partition(b" ")[0].decode())
        answer.begin()
        answer.read()
        return answer


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_text_in_a_path_or_a_query_is_no_fault(api: ApiServer, odd: str) -> None:
    for template in (*PLACES, *QUERIES):
        path = template.format(odd).encode()
        answer = ask(api, b"GET " + path + b" HTTP/1.1")
        check(answer, path[:80], 200, 303, 307, 400, 404, 405, 422)
        posted = ask(api, b"POST " + path + b" HTTP/1.1")
        check(posted, path[:80], 200, 202, 303, 400, 404, 405, 415, 422)


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3\xa9", b"\x00", b"\x7f", b"a b"])
def test_what_is_no_http_is_a_problem(api: ApiServer, raw: bytes) -> None:
    for template in (*PLACES, *QUERIES):
        path = template.encode().replace(b"{}", raw)
        check(ask(api, b"GET " + path + b" HTTP/1.1"), path, 400)


@pytest.mark.parametrize("count", [19, 4000, 5000])
def test_endless_number_is_no_fault(client: AsgiClient, count: int) -> None:
    for template in QUERIES:
        answer = client.get(template.format("9" * count))
        assert answer.status_code < 500, template
        assert answer.status_code < 400 or answer.headers["content-type"] == PROBLEM


def test_other_methods_are_named_on_every_route(app: FastAPI, api: ApiServer) -> None:
    routes = [path.replace("{study_instance_uid}", STUDY) for path in app.openapi()["paths"]]
    routes += [route.path for route in app.routes if isinstance(route, APIRoute)]
    routes += ["/ai", "/ai/static/node.css", "/ai/openapi.json", "/ai/login", "/ai/logout"]
    for path in sorted({route.replace("{run_id}", "1") for route in routes if route}):
        for method in METHODS:
            answer = ask(api, f"{method} {path} HTTP/1.1".encode())
            assert answer.status in {200, 405}, (method, path, answer.status)
            assert answer.headers["content-type"] == PROBLEM or answer.status == 200
            assert answer.headers["allow"] or answer.status == 200


@pytest.mark.parametrize("kind", KINDS, ids=range(len(KINDS)))
def test_odd_body_is_no_fault(api: ApiServer, kind: str) -> None:
    for path in ROUTES_WITH_BODY:
        head = f"POST {path} HTTP/1.1\nContent-Type: {kind}".encode("latin-1")
        for body in BODIES:
            answer = ask(api, head, body)
            may = (200, 201, 202, 303, 400, 401, 404, 409, 415, 422)
            check(answer, (path, kind[:40], body[:40]), *may)


@pytest.mark.parametrize("body", BODIES[10:13], ids=["lists", "objects", "closed"])
def test_deep_json_is_turned_away(client: AsgiClient, body: bytes) -> None:
    for path in ROUTES_WITH_BODY[:2]:
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM)


@pytest.mark.parametrize("body", [b'{"force": 1}', b'{"force": 0.0}', b'{"force": "true"}'])
def test_other_types_than_described_are_turned_away(client: AsgiClient, body: bytes) -> None:
    json = {"Content-Type": "application/json"}
    assert client.post(ROUTES_WITH_BODY[0], content=body, headers=json).status_code == 422


@pytest.mark.parametrize("name", HEADERS)
def test_odd_header_is_no_fault(api: ApiServer, name: str) -> None:
    for value in VALUES:
        for path in ("/ai/worklist", "/ai/session", f"/ai/studies/{STUDY}", "/ai/static/node.css"):
            head = f"GET {path} HTTP/1.1\n{name}: ".encode() + value
            check(ask(api, head), (name, value[:20], path), 200, 400, 401, 403)


@pytest.mark.parametrize("size", [70_000, 1_000_000])
def test_huge_header_is_no_fault(api: ApiServer, size: int) -> None:
    check(ask(api, b"GET /ai/session HTTP/1.1\nX-Long: " + b"x" * size), size, 200, 400)
