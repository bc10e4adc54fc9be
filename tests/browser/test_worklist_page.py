"""The worklist page on a real node: order, news, filters, keys, hostile names, the API away."""

from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Dialog, Page, expect

from dicom_node.phantom.samples import DemoSample
from tests.browser.conftest import Screenshot
from tests.browsers import Console
from tests.film_sender import FilmSender
from tests.nodes import LiveNode
from tests.worklist_page import current, expect_listed, expect_state, listed, open_worklist, row

pytestmark = [pytest.mark.node, pytest.mark.browser]

Samples = dict[str, DemoSample]
HOSTILE = '<img src=w onerror=alert(1)>^"><script>alert(2)</script>'


def order(node: LiveNode, **wanted: str) -> list[str]:
    items = node.get(f"/ai/board?{urlencode(wanted)}").json()["items"]
    return [item["study_instance_uid"] for item in items]


@pytest.mark.usefixtures("samples")
def test_studies_stand_in_the_order_that_the_page_states(page: Page, node: LiveNode) -> None:
    open_worklist(page)
    expect_listed(page, order(node))
    expect(page.get_by_role("region", name="Purpose")).to_be_visible()
    page.locator(".rule summary").click()
    expect(page.locator(".rule p")).to_contain_text(
        "Within each group the longest wait comes first"
    )


@pytest.mark.usefixtures("samples")
def test_new_study_comes_into_view_and_ends_without_a_reload(
    page: Page, node: LiveNode, films: FilmSender
) -> None:
    open_worklist(page)
    page.evaluate("document.title = 'the same page'")
    uid = films.send("NEWCOMER^NINA")
    expect_state(page, uid, "REPORTED")
    expect(page.locator("#news")).to_contain_text("NEWCOMER NINA")
    expect_listed(page, order(node))
    assert page.title() == "the same page"


def test_filters_narrow_the_list_and_stay_in_the_address(
    page: Page, node: LiveNode, samples: Samples
) -> None:
    knee, ct = samples["knee"].study_instance_uid, samples["ct"].study_instance_uid
    open_worklist(page)
    page.get_by_label("Search").fill("knee")
    knees = order(node, q="knee")
    assert knee in knees
    expect_listed(page, knees)
    assert parse_qs(urlsplit(page.url).query) == {"q": ["knee"]}
    page.reload()
    expect_listed(page, knees)
    expect(page.get_by_label("Search")).to_have_value("knee")
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Modality").select_option("CT")
    scans = order(node, modality="CT")
    assert ct in scans
    expect_listed(page, scans)
    page.get_by_role("button", name="refused").click()
    expect_listed(page, order(node, modality="CT", state="REFUSED"))
    assert parse_qs(urlsplit(page.url).query) == {"modality": ["CT"], "state": ["REFUSED"]}


def test_search_finds_names_with_accents(page: Page, films: FilmSender, samples: Samples) -> None:
    uid = films.send("KÜHNÖL^ZACHÄUS")
    open_worklist(page)
    expect_state(page, uid, "REPORTED")
    for words in ("kuhnol zachaus", "Kühnöl", "zachäus"):
        page.get_by_label("Search").fill(words)
        expect_listed(page, [uid])
    page.get_by_label("Search").fill("kuhnol knee")
    expect_listed(page, [])
    assert samples


@pytest.mark.usefixtures("samples")
def test_keys_lead_through_the_list_and_into_the_viewer(page: Page) -> None:
    open_worklist(page)
    uids = listed(page)
    page.keyboard.press("j")
    assert current(page) == uids[1]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    assert current(page) == uids[1]
    page.keyboard.press("G")
    assert current(page) == uids[-1]
    page.keyboard.press("g")
    assert current(page) == uids[0]
    expect(row(page, uids[0])).to_be_focused()
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    assert urlsplit(opened.value.url).path == "/ohif/viewer"
    assert parse_qs(urlsplit(opened.value.url).query) == {"StudyInstanceUIDs": [uids[0]]}
    opened.value.close()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("j")
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


@pytest.mark.usefixtures("samples")
def test_focus_stays_while_the_list_changes(page: Page, films: FilmSender) -> None:
    open_worklist(page)
    page.keyboard.press("j")
    chosen = str(current(page))
    row(page, chosen).get_by_role("button", name="Details").focus()
    uid = films.send("CHANGE^CORA")
    expect_state(page, uid, "REPORTED")
    expect(row(page, chosen).get_by_role("button", name="Details")).to_be_focused()
    assert current(page) == chosen


@pytest.mark.data
def test_hostile_names_are_text(
    page: Page, node: LiveNode, films: FilmSender, data_dir: Path
) -> None:
    dialogs: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    assert node.send([data_dir / "dicom" / "corrupt" / "xss_injection.dcm"])[0].stored
    uid = films.send(HOSTILE)
    open_worklist(page)
    expect(
        page.locator(".name", has_text='<script>alert("XSS inside DICOM file 1")')
    ).to_be_visible()
    expect_state(page, uid, "REPORTED")
    expect(row(page, uid).locator(".name")).to_contain_text("<img src = w onerror = alert(1)>")
    row(page, uid).get_by_role("button", name="Details").click()
    expect(page.locator("#details-title")).to_contain_text("<script>alert(2)</script>")
    page.get_by_label("Search").fill("<img src=w")
    expect_listed(page, [uid])
    assert page.locator('img[src="w"], td script, aside script').count() == 0
    assert dialogs == []


@pytest.mark.usefixtures("samples")
def test_page_tells_that_the_api_is_away_keeps_its_rows_and_recovers(
    page: Page, node: LiveNode, console: Console, screenshot: Screenshot
) -> None:
    console.allow("503")
    open_worklist(page)
    before = listed(page)
    with node.without("api"):
        expect(page.get_by_role("alert").filter(has_text="as it was last seen")).to_be_visible()
        assert listed(page) == before
        screenshot("away")
    expect(page.locator("#trouble")).to_be_hidden()
