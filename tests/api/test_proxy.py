"""What the plugin passes on, and back."""

import gzip

import httpx
import pytest

from dicom_node.api.proxy import Answer, Proxy


class Api:
    """An API process that keeps the last request."""

    def __init__(self) -> None:
        self.request: httpx.Request | None = None
        self.headers: dict[str, str] | list[tuple[str, str]] = {}
        self.body = b"{}"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        return httpx.Response(200, headers=self.headers, stream=httpx.ByteStream(self.body))


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def proxy(api: Api) -> Proxy:
    client = httpx.Client(transport=httpx.MockTransport(api), base_url="http://api")
    return Proxy(client, "token")


def ask(proxy: Proxy, api: Api, uri: str, **headers: str) -> tuple[Answer, httpx.Request]:
    query = {"PatientName": "M%C3%BCller+A"}
    answer = proxy.ask("GET", uri, query, headers, b"", address="10.0.0.7")
    assert api.request is not None
    return answer, api.request


def test_query_arrives_as_the_browser_meant_it(proxy: Proxy, api: Api) -> None:
    _, request = ask(proxy, api, "/ai/qido/studies")
    assert request.url.params["PatientName"] == "Müller A"


@pytest.mark.parametrize("place", ["/ai", "/ohif"])
def test_last_slash_that_orthanc_strips_is_put_back(proxy: Proxy, api: Api, place: str) -> None:
    _, request = ask(proxy, api, place)
    assert request.url.path == f"{place}/"


def test_what_the_api_takes_from_the_plugin_comes_from_nobody_else(proxy: Proxy, api: Api) -> None:
    forged = {"X-Node-Machine": "yes", "X-Node-Address": "10.9.9.9", "x-node-Host": "evil"}
    _, request = ask(proxy, api, "/ai/worklist", **forged, Host="node:8042", Cookie="a=b")
    ours = {name: value for name, value in request.headers.items() if name.startswith("x-node-")}
    assert ours == {
        "x-node-token": "token",
        "x-node-address": "10.0.0.7",
        "x-node-host": "node:8042",
        "x-node-machine": "",
    }
    assert (request.headers["host"], request.headers["cookie"]) == ("api", "a=b")


@pytest.mark.parametrize(("token", "machine"), [("token", "yes"), ("Token", ""), ("tokén", "")])
def test_the_nodes_own_processes_are_known_by_their_token(
    proxy: Proxy, api: Api, token: str, machine: str
) -> None:
    answer = proxy.ask("GET", "/ai/health", {}, {"X-NODE-TOKEN": token}, b"", address="")
    assert answer.status == 200
    assert api.request is not None
    assert api.request.headers["x-node-machine"] == machine


def test_header_beyond_ascii_arrives_as_it_came(proxy: Proxy, api: Api) -> None:
    given = {"Cookie": "name=Müller", "User-Agent": "ビューア"}
    _, request = ask(proxy, api, "/ai/worklist", **given)
    raw = dict(request.headers.raw)
    assert raw[b"cookie"] == "name=Müller".encode()
    assert raw[b"user-agent"] == "ビューア".encode()


def test_login_and_its_cookies_come_back(proxy: Proxy, api: Api) -> None:
    others = [("Location", "/ai/"), ("WWW-Authenticate", "Session")]
    cookies = ["a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "c=d; HttpOnly"]
    api.headers = [*others, *(("Set-Cookie", cookie) for cookie in cookies)]
    answer, _ = ask(proxy, api, "/ai/login")
    assert answer.headers == {name.lower(): value for name, value in others}
    assert answer.cookies == tuple(cookies)


def test_compressed_answer_stays_compressed(proxy: Proxy, api: Api) -> None:
    api.body = gzip.compress(b"viewer")
    api.headers = {"Content-Encoding": "gzip", "ETag": '"1"', "Server": "x"}
    answer, _ = ask(proxy, api, "/ohif/app.js")
    assert answer.body == api.body
    assert answer.headers == {"content-encoding": "gzip", "etag": '"1"'}


def test_api_that_does_not_answer_is_503_with_a_sentence() -> None:
    with httpx.Client() as client:
        proxy = Proxy(client, "token")
        answer = proxy.ask("GET", "http://127.0.0.1:9/ai/worklist", {}, {}, b"", address="")
    assert answer.status == 503
    assert b"Reading goes on" in answer.body
