"""A page of another site, in a real browser, tries an open node on the reader's own machine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, Request, Response, expect

from tests.browsers import Console
from tests.nodes import LiveNode

pytestmark = [pytest.mark.node, pytest.mark.browser]

_TRIES = """
async node => {
  const json = { "Content-Type": "application/json" };
  const told = [];
  for (const [path, options] of [
    ["/tools/reset", { method: "POST", mode: "no-cors" }],
    ["/changes?_method=DELETE", { mode: "no-cors" }],
    ["/studies", { mode: "no-cors" }],
    ["/studies", {}],
    ["/ai/worklist", { credentials: "include" }],
    ["/ai/studies/1.2.3/runs", { method: "POST", headers: json, body: "{}" }],
  ]) {
    try {
      const answer = await fetch(node + path, options);
      told.push(answer.type);
    } catch (error) {
      told.push(error.name);
    }
  }
  return told;
}
"""


class _Evil(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name that http.server calls
        node = self.path.partition("?")[2]
        page = (
            f'<!doctype html><title>evil</title><iframe src="{node}/ai/"></iframe>'
            f'<img src="{node}/instances"><a href="{node}/ai/">link</a>'
            f'<form method="post" action="{node}/tools/reset"><button>Win</button></form>'
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def evil() -> Iterator[str]:
    """Serve a page under another name of this machine; return its origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Evil) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_page_of_another_site_gets_nothing_but_a_link(
    page: Page, console: Console, node: LiveNode, origin: str, evil: str
) -> None:
    console.allow(".*")
    got: list[tuple[str, int]] = []
    kept_back: set[str] = set()

    def note(answer: Response) -> None:
        if answer.url.startswith(origin):
            got.append((answer.url.removeprefix(origin), answer.status))

    def note_failed(asked: Request) -> None:
        if asked.url.startswith(origin):
            kept_back.add(asked.url.removeprefix(origin))

    before = node.parts()["orthanc"], node.get("/changes?last").json()["Last"]
    page.on("response", note)
    page.on("requestfailed", note_failed)
    page.goto(f"{evil}/?{origin}")
    told = page.evaluate(_TRIES, origin)
    assert told == ["TypeError"] * 6  # Cross-Origin-Resource-Policy is on every answer
    with page.expect_response(f"{origin}/tools/reset") as posted:
        page.get_by_role("button", name="Win").click()
    assert posted.value.status == 403
    assert {"/instances", "/tools/reset", "/changes?_method=DELETE", "/studies"} <= kept_back
    assert {"/ai/", "/tools/reset"} <= {path for path, _ in got}
    assert {status for _, status in got} <= {400, 403, 404, 405}  # 400: a method in the query
    assert all(status == 403 for path, status in got if path in {"/tools/reset", "/ai/"})
    assert (node.parts()["orthanc"], node.get("/changes?last").json()["Last"]) == before

    page.goto(f"{evil}/?{origin}")
    page.get_by_role("link", name="link").click()
    expect(page.locator("#seen")).not_to_have_text("–")
