"""The front door of HTTP: nobody acts as another, and nobody stops the rest."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from dicom_node.domain import Role
from dicom_node.phantom.samples import DemoSample, demo_studies
from tests.guarded import password_of
from tests.nodes import LiveNode

pytestmark = pytest.mark.node

PEOPLE = {Role.READER: "reader", Role.OPERATOR: "operator"}


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Start a node with a reader and an operator, over plain HTTP on this machine."""
    folder = tmp_path_factory.mktemp("shut")
    (folder / "home").mkdir()
    node = LiveNode.at(folder / "home")
    for role in PEOPLE:
        file = folder / role.value
        file.write_text(password_of(role.value) + "\n", encoding="utf-8")
        options = ("--role", role.value, "--password-file", str(file))
        node.run("users", "add", role.value, *options)
    with node.running():
        yield node


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> DemoSample:
    return demo_studies(tmp_path_factory.mktemp("films"), seed=83)[0]


def origin(node: LiveNode) -> str:
    return f"http://127.0.0.1:{node.http_port}"


def client(node: LiveNode) -> httpx.Client:
    """Return a browser of this node's pages that nobody has logged in."""
    headers = {"Origin": origin(node), "Sec-Fetch-Site": "same-origin"}
    return httpx.Client(base_url=origin(node), headers=headers, timeout=60, trust_env=False)


def log_in(browser: httpx.Client, role: Role) -> None:
    form = {"user": role.value, "password": password_of(role.value)}
    assert browser.post("/ai/login", data=form).status_code == httpx.codes.SEE_OTHER


def who(browser: httpx.Client) -> str | None:
    answer = browser.get("/ai/session")
    return answer.json()["user"] if answer.is_success else None


def test_three_clients_stay_who_they_are(shut: LiveNode) -> None:
    with ExitStack() as stack:
        reader, operator, stranger, program = (stack.enter_context(client(shut)) for _ in range(4))
        program.auth = ("reader", password_of("reader"))
        log_in(reader, Role.READER)
        log_in(operator, Role.OPERATOR)
        for _ in range(20):
            assert (who(operator), who(stranger)) == ("operator", None)
            assert (who(reader), who(program)) == ("reader", "reader")
            assert operator.get("/changes?limit=1").status_code == 200
            assert stranger.get("/ai/worklist").status_code == 401
            assert stranger.get("/studies").status_code == 401
            assert program.get("/changes?limit=1").status_code == 403
            assert reader.get("/changes?limit=1").status_code == 403
        assert stranger.post("/ai/studies/1.2.3/runs", json={}).status_code == 401


def test_many_at_once_stay_who_they_are(shut: LiveNode) -> None:
    def ask(number: int) -> bool:
        with client(shut) as browser:
            if number % 3 == 0:
                return who(browser) is None and browser.get("/system").status_code == 401
            role = (Role.READER, Role.OPERATOR)[number % 3 - 1]
            log_in(browser, role)
            allowed = browser.get("/modalities").status_code == httpx.codes.OK
            return who(browser) == role.value and allowed == (role is Role.OPERATOR)

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(ask, range(48)))


@contextmanager
def dripping(node: LiveNode, head: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that have said ``head`` and go on no further."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", node.http_port), 30))
            one.sendall(head)
            opened.append(one)
        yield opened


BODY = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6000\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nuser="
)


@pytest.mark.parametrize(
    ("head", "count"),
    [
        pytest.param(BODY % b"/ai/login", 300, id="bodies"),
        pytest.param(BODY % b"/tools/find", 300, id="searches"),
        pytest.param(b"GET /ai/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ", 300, id="headers"),
        pytest.param(b"", 2000, id="idle"),
    ],
)
def test_who_drips_stops_nobody(node: LiveNode, film: DemoSample, head: bytes, count: int) -> None:
    with dripping(node, head, count) as drops:
        for one in drops[: 20 if head else 0]:
            one.sendall(b"a")
        assert node.get("/system").status_code == 200
        assert node.get("/ai/worklist").status_code == 200
        assert node.get("/ohif/").status_code == 200
        node.dcmsend(film.files)  # in a process of its own, which has few sockets
        assert node.final(film.study_instance_uid)["state"] == "REPORTED"


def test_no_request_of_the_doors_kind_ends_orthanc(node: LiveNode) -> None:
    before = node.parts()["orthanc"]
    with httpx.Client(base_url=origin(node), timeout=30, trust_env=False) as anybody:
        for path in ("/", "//", "/%2e%2e/", "/studies/%00", "/studies/%ff", "/" + "a" * 7000):
            assert anybody.get(path).status_code < 500
        for method in ("OPTIONS", "TRACE", "PATCH", "PROPFIND", "CONNECT"):
            assert 400 <= anybody.request(method, "/studies").status_code < 500
    assert node.parts()["orthanc"] == before


def test_refusals_of_the_door_are_pages_and_problems(shut: LiveNode, film: DemoSample) -> None:
    with client(shut) as stranger:
        page = stranger.get("/app/explorer.html", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["location"][:15]) == (303, "/ai/login?next=")
        told = stranger.get("/system")
        assert told.headers["content-type"] == "application/problem+json"
        upload = stranger.post("/instances", content=Path(film.files[0]).read_bytes())
        assert upload.status_code == 401


def test_while_the_api_is_away_the_door_says_so(node: LiveNode) -> None:
    with node.without("api"):
        for path in ("/ai/", "/system", "/dicom-web/studies", "/ohif/"):
            program = node.get(path)
            assert (program.status_code, program.json()["status"]) == (503, 503)
            assert int(program.headers["retry-after"]) > 0
            page = httpx.get(origin(node) + path, headers={"Accept": "text/html"}, trust_env=False)
            assert (page.status_code, "restarted by itself" in page.text) == (503, True)


def test_head_is_answered_as_get_without_a_body(node: LiveNode) -> None:
    with client(node) as browser:
        for path in ("/system", "/ohif/", "/dicom-web/studies"):
            answer, whole = browser.head(path), browser.get(path)
            assert (answer.status_code, answer.content) == (whole.status_code, b""), path
        assert browser.head("/instances/unknown").status_code == 404


@pytest.mark.parametrize("path", ["/ai/health", "/system", "/ohif/"])
def test_old_http_without_a_host_is_answered(node: LiveNode, path: str) -> None:
    with socket.create_connection(("127.0.0.1", node.http_port), 30) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_idle_connections_hold_none_of_orthancs_threads(node: LiveNode) -> None:
    site = node.settings()
    for _ in range(80):
        assert node.get("/system").status_code == 200
    orthanc = psutil.Process(node.parts()["orthanc"])
    ends = [c for c in orthanc.net_connections("tcp") if c.laddr and c.raddr]
    at_http = [c for c in ends if c.laddr.port == site.orthanc_http_port]
    assert len(at_http) < 40
