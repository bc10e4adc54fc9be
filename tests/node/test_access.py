"""Who gets what from a real node that other machines may reach."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from dicom_node.domain import Role
from dicom_node.phantom.samples import demo_studies
from tests.access_table import ROWS, Read, attempts, matrix
from tests.guarded import GuardedNode, guarded_node
from tests.nodes import LiveNode, free_port

pytestmark = pytest.mark.node

READER, RADIOLOGIST, OPERATOR = Role.READER, Role.RADIOLOGIST, Role.OPERATOR


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedNode]:
    with guarded_node(tmp_path_factory.mktemp("guarded")) as node:
        yield node


@pytest.fixture(scope="module")
def read(guarded: GuardedNode, tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Send a film by C-STORE and wait for its report: the node's own processes get through."""
    sample, *_ = demo_studies(tmp_path_factory.mktemp("films"), seed=71)
    assert [sent for sent in guarded.node.send(sample.files) if not sent.stored] == []
    told = guarded.final(sample.study_instance_uid)
    assert told["state"] == "REPORTED"
    with guarded.by_basic(READER) as client:
        hits = client.post("/tools/lookup", content=sample.study_instance_uid).json()
    (orthanc_id,) = [hit["ID"] for hit in hits if hit["Type"] == "Study"]
    return Read(sample.study_instance_uid, orthanc_id, told["runs"][0]["run_id"])


def test_each_role_gets_what_it_may(guarded: GuardedNode, read: Read) -> None:
    with ExitStack() as stack:
        clients = [
            stack.enter_context(guarded.client()),
            *(stack.enter_context(guarded.logged_in(role)) for role in Role),
        ]
        got = matrix(clients, read)
    assert got == {f"{method} {path}": expected for method, path, _, expected in ROWS}


def test_who_fetches_images_is_in_the_trail(guarded: GuardedNode, read: Read) -> None:
    with guarded.by_basic(READER) as client:
        told = client.get(f"/studies/{read.orthanc_id}/instances").json()
        files = [f"/instances/{one['ID']}/file" for one in told]
        uid = told[0]["MainDicomTags"]["SOPInstanceUID"]
        wado = f"/wado?requestType=WADO&objectUID={uid}&contentType=application/dicom"
        paths = [*files, wado, f"/dicom-web/studies/{read.uid}/metadata"]
        assert {client.get(path).status_code for path in paths * 2} == {200}
        assert client.get("/instances/unknown/file").status_code == 404
    entries = guarded.node.run("audit", "--study", read.uid, "--json").stdout
    fetched = [e["actor"] for e in json.loads(entries) if e["action"] == "study.fetch"]
    assert fetched.count("reader") == 1


def test_body_of_a_stranger_is_not_waited_for(guarded: GuardedNode) -> None:
    port = guarded.node.http_port
    head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    for path, length, status in (
        (b"/ai/login", 4_000_000_000, b"413"),
        (b"/instances", 1_000_000_000, b"401"),
        (b"/dicom-web/studies", 1_000_000_000, b"401"),
    ):
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(head % (path, length))
            assert connection.recv(100).startswith(b"HTTP/1.1 " + status)


def test_another_site_gets_nothing_from_who_is_logged_in(guarded: GuardedNode) -> None:
    with guarded.logged_in(OPERATOR) as browser:
        del browser.headers["Origin"], browser.headers["Sec-Fetch-Site"]
        got = {
            (method, path, str(headers)): browser.request(method, path, headers=headers).status_code
            for method, path, headers in attempts()
        }
        assert browser.post("/tools/reset").status_code == 403  # a cookie, and no word whence
        link = {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        }
        assert browser.get("/ai/", headers=link).status_code == 200
    assert set(got.values()) == {400, 403}  # a method in the query is none


def test_another_site_gets_nothing_from_an_open_node(node: LiveNode) -> None:
    origin = f"http://127.0.0.1:{node.http_port}"
    with httpx.Client(base_url=origin, timeout=30, trust_env=False) as browser:
        got = {
            (method, path, str(headers)): browser.request(method, path, headers=headers).status_code
            for method, path, headers in attempts()
        }
        assert browser.get("/system").status_code == 200
    assert set(got.values()) == {400, 403}  # a method in the query is none


@pytest.mark.parametrize("path", ["/studies", "/ai/worklist", "/dicom-web/studies", "/tools/find"])
def test_no_preflight_is_granted(guarded: GuardedNode, path: str) -> None:
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    with guarded.by_basic(OPERATOR) as client:
        for method in ("OPTIONS", "GET"):
            answer = client.request(method, path, headers=asked)
            assert [n for n in answer.headers if n.startswith("access-control-")] == []


def test_answers_come_with_their_headers(guarded: GuardedNode) -> None:
    with guarded.logged_in(READER) as browser:
        for path in ("/ai/", "/ohif/", "/ai/worklist", "/system"):
            headers = browser.get(path).headers
            assert headers["strict-transport-security"].startswith("max-age=")
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            if path != "/system":
                assert "frame-ancestors 'none'" in headers["content-security-policy"]
        (cookie,) = [c for c in browser.cookies.jar if c.name.startswith("__Host-")]
        assert (cookie.secure, cookie.path) == (True, "/")


def test_the_port_speaks_tls_alone(guarded: GuardedNode) -> None:
    told = httpx.get(guarded.origin.replace("https", "http") + "/system", trust_env=False)
    assert (told.status_code, "Orthanc" in told.text) == (400, False)


def test_program_logs_in_by_basic_and_the_change_has_its_name(
    guarded: GuardedNode, read: Read
) -> None:
    with guarded.by_basic(RADIOLOGIST) as client:
        answer = client.post(f"/ai/studies/{read.uid}/assessments", json={"verdict": "reject"})
        assert (answer.status_code, answer.json()["user"]) == (201, "radiologist")
        told = client.get(f"/ai/studies/{read.uid}").json()
    assert told["assessment"]["user"] == "radiologist"


def test_commands_reach_the_node(guarded: GuardedNode) -> None:
    assert '"ready": true' in guarded.node.run("status", "--json").stdout
    assert "users log in" in guarded.node.run("doctor").stdout


def test_password_change_ends_what_was_open(guarded: GuardedNode, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("first long password\n", encoding="utf-8")
    guarded.node.run("users", "add", "ada", "--role", "reader", "--password-file", str(secret))
    with guarded.client(headers={"Origin": guarded.origin}) as browser:
        form = {"user": "ada", "password": "first long password"}
        assert browser.post("/ai/login", data=form).status_code == 303
        assert browser.get("/ai/session").json()["user"] == "ada"
        secret.write_text("second long password\n", encoding="utf-8")
        guarded.node.run("users", "passwd", "ada", "--password-file", str(secret))
        assert browser.get("/ai/session").status_code == 401


def test_api_answers_nobody_but_the_front_door(guarded: GuardedNode) -> None:
    site = guarded.node.settings()
    transport = httpx.HTTPTransport(uds=site.api.removeprefix("unix:"))
    with httpx.Client(transport=transport, base_url="http://api") as client:
        for headers in ({}, {"X-Node-Token": "guessed"}, {"X-Node-User": "operator"}):
            assert client.get("/ai/worklist", headers=headers).status_code == 401
    with guarded.client(headers={"X-Node-Machine": "yes", "X-Node-User": "operator"}) as client:
        assert client.get("/ai/worklist").status_code == 401
        assert client.get("/system").status_code == 401
        assert client.get("/internal/admit").status_code == 404
        assert client.get("/internal/refused").status_code in {401, 404}
    with guarded.client(headers=site.front_headers) as client:  # from outside it opens nothing
        assert client.get("/system").status_code == 401
        assert client.get("/ai/worklist").status_code == 401


def through_the_provider(guarded: GuardedNode, browser: httpx.Client, person: str) -> str:
    """Log in at the provider; return the address that it leads back to."""
    left = browser.get("/ai/login/oidc?next=/ai/trends")
    assert left.status_code == 303
    asked = parse_qs(urlsplit(left.headers["location"]).query)
    assert left.headers["location"].startswith(guarded.issuer)
    assert asked["code_challenge_method"] == ["S256"]
    assert all(len(asked[name][0]) >= 20 for name in ("state", "nonce", "code_challenge"))
    with httpx.Client(trust_env=False) as elsewhere:
        back = elsewhere.post(left.headers["location"], data={"sub": person})
    return str(back.headers["location"])


def test_user_of_the_site_logs_in_by_its_provider(guarded: GuardedNode) -> None:
    with guarded.client() as browser:
        back = through_the_provider(guarded, browser, "7")
        with guarded.client() as thief:
            assert "begun elsewhere" in thief.get(back).text
        back = through_the_provider(guarded, browser, "7")
        arrived = browser.get(back)
        assert (arrived.status_code, arrived.headers["location"]) == (303, "/ai/trends")
        told = browser.get("/ai/session").json()
        assert told == {"user": "grace", "role": "operator", "open": False}
        assert browser.get("/modalities").status_code == 200
        assert browser.get(back).status_code == 401  # a state serves once


def test_user_of_the_site_who_may_not(guarded: GuardedNode) -> None:
    with guarded.client() as browser:
        answer = browser.get(through_the_provider(guarded, browser, "8"))
        assert answer.status_code == 401
        assert "no role" in answer.text
        assert browser.get("/ai/session").status_code == 401


def test_namesakes_at_the_node_and_at_its_provider_are_told_apart(guarded: GuardedNode) -> None:
    with guarded.logged_in(Role.READER) as own, guarded.client() as browser:
        assert browser.get(through_the_provider(guarded, browser, "9")).status_code == 303
        told = [client.get("/ai/session").json() for client in (own, browser)]
        assert [one["user"] for one in told] == ["reader", "reader"]
        assert [one["role"] for one in told] == ["reader", "operator"]
    trail = json.loads(guarded.node.run("audit", "--actor", "reader", "--json").stdout)
    assert {entry["actor"] for entry in trail} == {"reader", f"{guarded.issuer}#9"}
    listed = json.loads(guarded.node.run("users", "list", "--json").stdout)
    known = {user["sub"]: user["issuer"] for user in listed["site_users"]}
    assert known["9"] == guarded.issuer


def test_up_for_other_machines_without_a_user_says_what_to_do(
    tmp_path: Path, node: LiveNode
) -> None:
    wanted = ("NODE_ALLOW_REMOTE", "NODE_BEHIND_TLS_PROXY", "NODE_DICOM_PLAIN")
    remote = {**node.environment, **dict.fromkeys(wanted, "true")}
    remote["NODE_PUBLIC_URL"] = "https://node.example"
    fresh = LiveNode(tmp_path / "home", free_port(), free_port(), free_port(), remote)
    told = fresh.run("up", "--detach", check=False)
    assert told.returncode == 1
    assert "dicom-node users add NAME --role operator" in told.stderr
