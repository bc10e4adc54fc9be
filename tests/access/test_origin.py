"""Requests that another site's page made a browser send, and those that none did."""

import pytest

from dicom_node.access.origin import Origins, session_cookie

ORIGINS = Origins("https://node.example", frozenset({"node.example", "ct-room-3"}))
HERE = "127.0.0.1:8042"


def fault(method: str, host: str = HERE, **headers: str) -> str:
    return ORIGINS.fault(method, host, {n.replace("_", "-"): v for n, v in headers.items()})


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8042",
        "localhost:8042",
        "LOCALHOST",
        "node.localhost",
        "[::1]:8042",
        "192.0.2.7:8042",
        "node.example",
        "Node.Example.:443",
        "ct-room-3:8042",
        "",
    ],
)
def test_names_that_the_node_answers_to(host: str) -> None:
    assert fault("GET", host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8042",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "node.example.evil.example",
        "evil-localhost",
        "user@evil.example",
        "2130706433.example",
        "[::1",
        ":8042",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_was_rebound_is_not_answered(host: str, method: str) -> None:
    assert "host name" in fault(method, host)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", ""])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site", "origin": "http://127.0.0.1:3000"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "origin": "http://127.0.0.1:8042"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://127.0.0.1:8042.evil.example"},
        {"cookie": "a=b; __Host-dicom-node-session-443=abc"},
        {"cookie": "__Host-dicom-node-session-443=abc"},
    ],
)
def test_other_sites_change_nothing(method: str, headers: dict[str, str]) -> None:
    assert fault(method, **headers) != ""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": "another=one"},
        {"sec_fetch_site": "same-origin", "cookie": "__Host-dicom-node-session-443=abc"},
        {"origin": "http://127.0.0.1:8042", "cookie": "__Host-dicom-node-session-443=abc"},
        {"origin": "https://NODE.example"},
    ],
)
def test_pages_of_the_node_and_what_is_no_browser_may(method: str, headers: dict[str, str]) -> None:
    assert fault(method, **headers) == ""


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_read_nothing_but_may_link(site: str) -> None:
    def reading(mode: str, dest: str) -> str:
        return fault("GET", sec_fetch_site=site, sec_fetch_mode=mode, sec_fetch_dest=dest)

    assert reading("navigate", "document") == ""
    for mode, dest in (
        ("navigate", "iframe"),
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("cors", "empty"),
        ("navigate", "embed"),
    ):
        assert "nothing from here but links" in reading(mode, dest)
    for own in ("same-origin", "none"):
        assert fault("GET", sec_fetch_site=own, sec_fetch_mode="cors", sec_fetch_dest="empty") == ""


def test_origins_of_a_node() -> None:
    found = Origins.of("http://AI.Hospital.example:8042")
    assert found.public == "http://ai.hospital.example:8042"
    assert "ai.hospital.example" in found.names


def test_each_node_of_a_machine_has_a_cookie_of_its_own() -> None:
    public = ("http://127.0.0.1:8042", "http://127.0.0.1:8043", "https://node.example", "http://n")
    assert [session_cookie(one) for one in public] == [
        "dicom-node-session-8042",
        "dicom-node-session-8043",
        "__Host-dicom-node-session-443",
        "dicom-node-session-80",
    ]
