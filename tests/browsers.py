"""Debian's Chromium, driven by playwright, and what its pages print and fetch."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.conftest import missing_tool

ROOT: Final = Path(__file__).resolve().parents[1]
PATIENCE_MS: Final = 60_000
"""How long a page may take to show what a test waits for; shared cores are slow."""

_OPTIONS: Final = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",  # WebGL where there is no GPU
)
_GRID_LAID_OUT_ANEW: Final = re.compile(
    r"The stack viewport has been destroyed|of type:  IMAGE_LOAD_ERROR TypeError: handler is not"
)
"""OHIF 3.13 complains so where a grid is laid out anew while an image is on its way to it; that
the image is there in the end, `Viewer.drawn` sees."""

_HERE: Final = frozenset({"127.0.0.1", "localhost", ""})


@dataclass
class Console:
    """The complaints of one page: errors that it printed or threw, and requests to other hosts."""

    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    _allowed: list[re.Pattern[str]] = field(default_factory=lambda: [_GRID_LAID_OUT_ANEW])

    def watch(self, page: Page) -> None:
        """Listen to a page from now on."""
        page.on("console", self._printed)
        page.on("pageerror", lambda error: self.errors.append(f"thrown: {error}"))
        page.on("request", self._requested)

    def allow(self, pattern: str) -> None:
        """Take errors that match for expected: those that a test provokes."""
        self._allowed.append(re.compile(pattern))

    def complaints(self) -> list[str]:
        """Return the errors that nothing allows, and the requests to other hosts."""
        surprises = [e for e in self.errors if not any(p.search(e) for p in self._allowed)]
        return surprises + [f"left this machine: {url}" for url in self.strangers]

    def _printed(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _requested(self, request: Request) -> None:
        if (urlsplit(request.url).hostname or "") not in _HERE:
            self.strangers.append(request.url)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium without a window, and end it.

    One at a time in a process: playwright keeps an event loop running while it is open.
    """
    program = shutil.which("chromium")
    if program is None:
        missing_tool("chromium is not installed (script/setup --dev)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(browser: Browser, origin: str, console: Console) -> Iterator[Page]:
    """Open a page with cookies and cache of its own; relative addresses lead to ``origin``."""
    context = browser.new_context(
        base_url=origin, viewport={"width": 1600, "height": 1000}, locale="en-GB"
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = context.new_page()
        console.watch(page)
        yield page
    finally:
        context.close()


def output_folder() -> Path:
    """Return the folder of what a CI run keeps: NODE_TEST_OUTPUT, or .ci-output."""
    folder = Path(os.environ.get("NODE_TEST_OUTPUT", ROOT / ".ci-output")) / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
