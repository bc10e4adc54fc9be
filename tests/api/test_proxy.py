"""What the plugin passes on, and back."""

import gzip
from base64 import b64encode

import httpx
import pytest

from dicom_node.api.proxy import Answer, Proxy


class Api:
    """An API process that keeps the last request."""

    def __init__(self) -> None:
        self.request: httpx.Request | None = None
        self.headers: dict[str, str] = {}
        self.body = b"{}"

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        return httpx.Response(200, headers=self.headers, stream=httpx.ByteStream(self.body))


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def proxy(api: Api) -> Proxy:
    return Proxy(httpx.Client(transport=httpx.MockTransport(api), base_url="http://api"))


def ask(proxy: Proxy, api: Api, uri: str, **headers: str) -> tuple[Answer, httpx.Request]:
    answer = proxy.ask("GET", uri, {"PatientName": "M%C3%BCller+A"}, headers, b"")
    assert api.request is not None
    return answer, api.request


def test_query_arrives_as_the_browser_meant_it(proxy: Proxy, api: Api) -> None:
    _, request = ask(proxy, api, "/ai/qido/studies")
    assert request.url.params["PatientName"] == "Müller A"


@pytest.mark.parametrize("place", ["/ai", "/ohif"])
def test_last_slash_that_orthanc_strips_is_put_back(proxy: Proxy, api: Api, place: str) -> None:
    _, request = ask(proxy, api, place)
    assert request.url.path == f"{place}/"


def test_acting_user_is_orthancs_and_nobody_elses(proxy: Proxy, api: Api) -> None:
    basic = b64encode("Jörg:secret".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "X-Node-User": "admin", "Host": "evil"}
    _, request = ask(proxy, api, "/ai/worklist", **headers)
    assert request.headers["x-node-user"] == "J%C3%B6rg"
    assert "authorization" not in request.headers
    assert request.headers["host"] == "api"
    _, request = ask(proxy, api, "/ai/worklist", Authorization="Basic !")
    assert request.headers["x-node-user"] == "anonymous"


def test_compressed_answer_stays_compressed(proxy: Proxy, api: Api) -> None:
    api.body = gzip.compress(b"viewer")
    api.headers = {"Content-Encoding": "gzip", "ETag": '"1"', "Set-Cookie": "x"}
    answer, _ = ask(proxy, api, "/ohif/app.js")
    assert answer.body == api.body
    assert answer.headers == {"content-encoding": "gzip", "etag": '"1"'}


def test_api_that_does_not_answer_is_503_with_a_sentence() -> None:
    with httpx.Client() as client:
        answer = Proxy(client).ask("GET", "http://127.0.0.1:9/ai/worklist", {}, {}, b"")
    assert answer.status == 503
    assert b"Reading goes on" in answer.body
