"""How the worklist page scrolls with 1,000 rows, by what the browser may leave out.

The API alone, in this process, on a ledger of 1,000 studies; Debian's Chromium without a GPU, so
that every frame is drawn by the processor: a reader's machine is faster. Each frame scrolls on by
120 pixels; what is told are the times between frames.

    .venv/bin/python -m bench.worklist_page --rows 1000
"""

import argparse
import random
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from playwright.sync_api import Browser, Route

from bench.worklist import node_at
from dicom_node.api.app import create
from dicom_node.api.services import utc_now
from tests.browsers import Console, chromium, new_page
from tests.histories import many_studies
from tests.nodes import free_port

_STEP_PX = 120
_RULES = ("contain: content;", "content-visibility: auto; contain-intrinsic-size: auto 5.2rem;", "")
_SCROLL = """async (step) => {
  const times = [];
  let last = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < 300; frame += 1) {
    scrollBy(0, step);
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  return times;
}"""
_LAYOUT = """() => {
  const started = performance.now();
  document.getElementById("rows").style.width = "99%";
  document.body.offsetHeight;
  return performance.now() - started;
}"""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with (
        TemporaryDirectory() as scratch,
        _serving(Path(scratch), options.rows) as origin,
        chromium() as browser,
    ):
        for rule in _RULES * options.rounds:
            _measure(browser, origin, options.rows, rule)


def _measure(browser: Browser, origin: str, rows: int, rule: str) -> None:
    def restyle(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace(_RULES[0], rule))

    with new_page(browser, origin, Console()) as page:
        page.route("**/worklist.css", restyle)
        page.goto("/ai/")
        page.locator("tr[data-uid]").nth(rows - 1).wait_for(state="attached")
        layout_ms = page.evaluate(_LAYOUT)
        frames = sorted(page.evaluate(_SCROLL, _STEP_PX))
    p95 = frames[int(0.95 * (len(frames) - 1))]
    print(
        f"{rule or 'nothing':62} {len(frames)} frames, median {statistics.median(frames):.0f} ms, "
        f"p95 {p95:.0f} ms, worst {frames[-1]:.0f} ms; layout of all rows {layout_ms:.0f} ms"
    )


@contextmanager
def _serving(home: Path, rows: int) -> Iterator[str]:
    node = node_at(home, utc_now)
    many_studies(node.ledger, rows, random.Random(1), node.clock())
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create(node), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        node.ledger.close()


if __name__ == "__main__":
    main()
