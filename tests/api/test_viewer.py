"""The viewer's files: types, deep links, caching, and nothing outside their folder."""

import gzip
from pathlib import Path

import pytest

from dicom_node.api.services import Services
from tests.asgi import AsgiClient

BUNDLE = "app.bundle.0123456789abcdef.js"
TEXT = b"console.log('viewer')"
_OF_THE_BODY = {
    "accept-ranges",
    "content-encoding",
    "content-length",
    "content-type",
    "last-modified",
}
"""Headers that a 304, which has no body, leaves as they were."""


@pytest.fixture
def viewer(services: Services) -> Path:
    """Lay out a small viewer, as script/viewer does, with a link to a folder elsewhere."""
    folder = services.settings.viewer
    own = folder.parent / "own"
    own.mkdir()
    (own / "app-config.js").write_text("window.config = {}")
    (own / "extension.mjs").write_text("export default {}")
    folder.mkdir()
    (folder / "node").symlink_to(own)
    (folder / "index.html").write_text("<!doctype html>viewer")
    (folder / "codec.wasm").write_bytes(b"\0asm")
    (folder / BUNDLE).write_bytes(TEXT)
    (folder / f"{BUNDLE}.gz").write_bytes(gzip.compress(TEXT))
    (folder.parent / "secret.txt").write_text("secret")
    return folder


@pytest.mark.usefixtures("viewer")
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("app-config.js", "text/javascript; charset=utf-8"),
        ("node/extension.mjs", "text/javascript; charset=utf-8"),
        ("codec.wasm", "application/wasm"),
        (BUNDLE, "text/javascript; charset=utf-8"),
    ],
)
def test_each_file_has_the_type_that_browsers_ask_for(
    client: AsgiClient, path: str, kind: str
) -> None:
    answer = client.get(f"/ohif/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


@pytest.mark.usefixtures("viewer")
def test_only_a_worker_may_turn_text_into_code(client: AsgiClient) -> None:
    page, script = (client.get(f"/ohif/{path}").headers for path in ("", BUNDLE))
    assert "'unsafe-eval'" not in page["content-security-policy"]
    assert "script-src 'self' 'wasm-unsafe-eval' 'unsafe-eval'" in script["content-security-policy"]


@pytest.mark.usefixtures("viewer")
@pytest.mark.parametrize("place", ["viewer?StudyInstanceUIDs=1.2.3", "segmentation", "a/b"])
def test_deep_link_is_the_page(client: AsgiClient, place: str) -> None:
    assert client.get(f"/ohif/{place}").text == "<!doctype html>viewer"


@pytest.mark.usefixtures("viewer")
@pytest.mark.parametrize("path", ["gone.js", "node/gone.mjs", "%00.js", "x" * 5000 + ".js"])
def test_file_that_is_not_there_is_no_page(client: AsgiClient, path: str) -> None:
    answer = client.get(f"/ohif/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.usefixtures("viewer")
@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "%2e%2e/secret.txt", "node/../../secret.txt", "node/%2e%2e/secret.txt"],
)
def test_nothing_outside_the_folder_is_served(client: AsgiClient, path: str) -> None:
    answer = client.get(f"/ohif/{path}")
    assert "secret" not in answer.text.replace("secret.txt", "")


@pytest.mark.usefixtures("viewer")
def test_bundle_is_kept_and_the_rest_asked_for_again(client: AsgiClient) -> None:
    assert "max-age" in client.get(f"/ohif/{BUNDLE}").headers["cache-control"]
    page = client.get("/ohif/")
    assert page.headers["cache-control"] == "no-cache"
    again = client.get("/ohif/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.usefixtures("viewer")
@pytest.mark.parametrize(
    "path", ["", "viewer?StudyInstanceUIDs=1.2.3", "node/extension.mjs", BUNDLE]
)
def test_file_asked_for_again_keeps_its_policy(client: AsgiClient, path: str) -> None:
    """A browser puts the headers of a 304 in the place of those it has kept (RFC 9111 4.3.4)."""
    first = client.get(f"/ohif/{path}").headers
    again = client.get(f"/ohif/{path}", headers={"If-None-Match": first["etag"]})
    assert again.status_code == 304
    kept = {name for name in first if name not in _OF_THE_BODY}
    assert {name: again.headers.get(name) for name in kept} == {name: first[name] for name in kept}


@pytest.mark.usefixtures("viewer")
def test_bundle_comes_compressed_where_the_browser_takes_it(client: AsgiClient) -> None:
    small = client.get(f"/ohif/{BUNDLE}", headers={"Accept-Encoding": "gzip, br"})
    assert (small.headers["content-encoding"], small.content) == ("gzip", TEXT)
    plain = client.get(f"/ohif/{BUNDLE}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == TEXT
    assert small.headers["etag"] != plain.headers["etag"]


@pytest.mark.usefixtures("viewer")
def test_files_cannot_be_changed(client: AsgiClient) -> None:
    assert client.post("/ohif/index.html").status_code == 405


def test_missing_viewer_says_so_to_people_and_to_programs(client: AsgiClient) -> None:
    page = client.get("/ohif/", headers={"Accept": "text/html,*/*"})
    assert page.status_code == 404
    assert "script/viewer" in page.text
    assert 'href="/ai/"' in page.text
    problem = client.get("/ohif/node/extension.mjs")
    assert (problem.status_code, problem.json()["status"]) == (404, 404)
    assert "not installed" in problem.json()["detail"]
