"""A real node and a real browser. A page that complains fails its test; each leaves a picture."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dicom_node import settings
from dicom_node.phantom.samples import DemoSample, demo_studies
from tests.browsers import PATIENCE_MS, Console, chromium, new_page, output_folder
from tests.conftest import missing_tool
from tests.film_sender import FilmSender
from tests.nodes import LiveNode
from tests.viewers import Viewer

Screenshot = Callable[[str], Path]

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNode]:
    """Start one node for all browser tests, on ports of its own."""
    home = tmp_path_factory.mktemp("browser-node")
    with LiveNode.at(home).running() as live:
        yield live


@pytest.fixture(scope="session")
def samples(node: LiveNode, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DemoSample]:
    """Send the demo studies (frontal, ct, lateral, knee) and wait for their ends; by name."""
    rendered = demo_studies(tmp_path_factory.mktemp("browser-phantoms"), seed=41)
    for sample in rendered:
        assert [sent for sent in node.send(sample.files) if not sent.stored] == []
    for sample in rendered:
        assert node.final(sample.study_instance_uid)["state"] == sample.expected
    return {sample.name: sample for sample in rendered}


@pytest.fixture(scope="module")
def films(node: LiveNode, tmp_path_factory: pytest.TempPathFactory) -> FilmSender:
    """Return what sends a film under any name."""
    return FilmSender(node, tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def origin(node: LiveNode) -> str:
    """Return the one origin that people open."""
    return f"http://127.0.0.1:{node.http_port}"


# For a module, not a session: while it is open no other test could run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium."""
    with chromium() as started:
        yield started


@pytest.fixture
def console() -> Console:
    """Return what the test's page complains of; ``allow`` what the test provokes."""
    return Console()


@pytest.fixture
def page(
    browser: Browser, origin: str, console: Console, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """Open a page; at the end keep its picture and demand that it had no complaint."""
    with new_page(browser, origin, console) as opened:
        yield opened
        opened.screenshot(path=output_folder() / f"{_name(request)}.png")
    assert console.complaints() == []


@pytest.fixture(scope="session")
def viewer_files() -> Path:
    """Return the folder of the viewer's files; fails in CI, skips elsewhere, if it is missing."""
    folder = settings.load().viewer
    if not (folder / "index.html").is_file():
        missing_tool("the viewer is not installed (script/viewer)")
    return folder


@pytest.fixture
def viewer(page: Page, viewer_files: Path) -> Viewer:
    """Return OHIF in the test's page."""
    del viewer_files
    return Viewer(page)


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Screenshot:
    """Return a function that keeps a picture of the page under a name."""

    def keep(name: str) -> Path:
        file = output_folder() / f"{_name(request)}-{name}.png"
        page.screenshot(path=file)
        return file

    return keep


def _name(request: pytest.FixtureRequest) -> str:
    return re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")
