"""Login, work and logout in a real browser, on a node that has got a user."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from dicom_node.ledger import open_ledger
from tests.browser.conftest import Screenshot
from tests.browsers import Console
from tests.film_sender import FilmSender
from tests.nodes import LiveNode, NotYetError, eventually
from tests.viewers import Viewer
from tests.worklist_page import expect_state, row

pytestmark = [pytest.mark.node, pytest.mark.browser]

PASSWORD = "a long word of ada"


@pytest.fixture(scope="module")
def uid(node: LiveNode, films: FilmSender) -> str:
    """Send a film of its own and wait for its end, while the node is still open."""
    sent = films.send("LOGIN^LOUISE")
    node.final(sent)
    return sent


@pytest.fixture
def ada(node: LiveNode, uid: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Add a user, so that the node is shut; open it again for the other tests.

    A radiologist, unless the test is parametrized with another role.
    """
    del uid
    file = tmp_path / "password"
    file.write_text(PASSWORD, encoding="utf-8")
    role = getattr(request, "param", "radiologist")
    node.run("users", "add", "ada", "--role", role, "--password-file", str(file))
    wait_for(node, httpx.codes.UNAUTHORIZED)
    yield "ada"
    node.run("users", "remove", "ada", "--leave-open")
    wait_for(node, httpx.codes.OK)


def wait_for(node: LiveNode, status: int) -> None:
    """Wait until the API has noticed that the node was shut, or opened."""
    for attempt in eventually(30):
        with attempt:
            if node.get("/system").status_code != status:
                raise NotYetError("the API has not noticed yet")


def runs(node: LiveNode, uid: str) -> list[str]:
    """Return the ids of a study's runs, from the ledger, since the node asks for a login."""
    with closing(open_ledger(node.settings().database)) as ledger:
        told = ledger.queries.detail(uid)
    assert told is not None
    return [run.run_id for run in told.runs]


def fill(page: Page, password: str) -> None:
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_login_worklist_run_viewer_logout(
    page: Page, console: Console, node: LiveNode, uid: str, ada: str, screenshot: Screenshot
) -> None:
    console.allow("401")
    page.goto("/ai/?modality=DX")
    expect(page).to_have_url("/ai/login?next=%2Fai%2F%3Fmodality%3DDX")
    expect(page.get_by_text("Research use only.")).to_be_visible()
    for theme in ("dark", "light"):
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        screenshot(theme)
        page.get_by_role("button", name="Light").click()
    fill(page, "not the word of ada")
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")
    screenshot("wrong")

    fill(page, PASSWORD)
    expect(page).to_have_url("/ai/?modality=DX")
    expect(page.locator("#who")).to_have_text("ada, radiologist")
    expect_state(page, uid, "REPORTED")
    screenshot("worklist")
    row(page, uid).focus()
    with page.expect_response(f"**/ai/studies/{uid}/runs") as asked:
        page.keyboard.press("x")
    assert asked.value.status == httpx.codes.ACCEPTED
    expect_state(page, uid, "REPORTED")

    page.goto(f"/ohif/viewer?StudyInstanceUIDs={uid}")
    expect(page.locator("[data-cy=viewport-pane]")).to_have_count(1)
    page.goto("/ai/")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url("/ai/login")
    page.goto("/ai/")
    expect(page).to_have_url("/ai/login?next=%2Fai%2F")

    with closing(open_ledger(node.settings().database)) as ledger:
        asked_by = {entry.actor for entry in ledger.audit.entries(uid)}
        known = {(entry.actor, entry.action) for entry in ledger.audit.entries()}
    assert ada in asked_by
    assert {(ada, "login"), (ada, "logout"), (ada, "login.failed")} <= known


def test_session_that_ended_leads_to_the_login_and_back(
    page: Page, console: Console, node: LiveNode, ada: str
) -> None:
    console.allow("401")
    page.goto("/ai/login")
    fill(page, PASSWORD)
    expect(page.locator("#seen")).not_to_have_text("–")
    node.run("users", "disable", ada)
    expect(page).to_have_url("/ai/login?next=%2Fai%2F")
    node.run("users", "enable", ada)
    fill(page, PASSWORD)
    expect(page.locator("#who")).to_have_text("ada, radiologist")


@pytest.mark.parametrize("ada", ["reader"], indirect=True)
def test_reader_is_offered_what_he_may_do_alone(
    page: Page, viewer_files: Path, node: LiveNode, uid: str, ada: str, screenshot: Screenshot
) -> None:
    del viewer_files
    before = runs(node, uid)
    page.goto("/ai/login")
    fill(page, PASSWORD)
    expect(page.locator("#who")).to_have_text(f"{ada}, reader")
    expect_state(page, uid, "REPORTED")
    row(page, uid).focus()
    page.keyboard.press("x")
    expect(page.locator("#news")).to_contain_text("a radiologist's")
    page.keyboard.press("d")
    drawer = page.locator("#details-body")
    expect(drawer.get_by_text("Open in viewer")).to_be_visible()
    for name in ("Accept", "Reject", "Amend", "Read again"):
        expect(drawer.get_by_text(name, exact=True)).to_be_hidden()
    screenshot("worklist")

    viewer = Viewer(page)
    viewer.open(uid)
    viewer.diagnose()
    viewer.ended("REPORTED")
    viewer.drawn(2)
    expect(viewer.part("verdict")).to_contain_text("Not assessed.")
    expect(viewer.part("accept")).to_have_count(0)
    screenshot("viewer")
    assert runs(node, uid) == before
