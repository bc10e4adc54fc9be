"""What a reader does on the worklist page, and what the node keeps of it."""

from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from dicom_node.phantom.samples import DemoSample
from tests.browser.conftest import Screenshot
from tests.film_sender import FilmSender
from tests.nodes import LiveNode
from tests.worklist_page import expect_state, listed, open_worklist, row

pytestmark = [pytest.mark.node, pytest.mark.browser]

Samples = dict[str, DemoSample]


def test_accepting_by_keys_is_kept_and_the_study_is_done(
    page: Page, node: LiveNode, films: FilmSender
) -> None:
    uid = films.send("ACCEPTED^ADA")
    node.final(uid)
    open_worklist(page)
    row(page, uid).focus()
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="Accept")).to_be_checked()
    dialog.get_by_label("Comment").fill("agreed <b>fully</b>")
    dialog.get_by_role("button", name="Keep the verdict").click()
    expect(row(page, uid).locator(".reader")).to_contain_text("agreed <b>fully</b>")
    kept = node.study(uid)["assessment"]
    assert (kept["verdict"], kept["comment"]) == ("accept", "agreed <b>fully</b>")
    assert listed(page)[-1] == uid
    expect(row(page, uid)).to_be_focused()


def test_rejecting_one_finding_from_the_drawer_is_kept(
    page: Page, node: LiveNode, films: FilmSender
) -> None:
    uid = films.send("REJECTED^RUTH")
    node.final(uid)
    open_worklist(page)
    row(page, uid).get_by_role("button", name="Details").click()
    drawer = page.get_by_role("complementary")
    drawer.get_by_role("button", name="Reject").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("About").select_option("covid19")
    dialog.get_by_role("button", name="Keep the verdict").click()
    expect(drawer.get_by_text("reject of covid19")).to_be_visible()
    kept = node.study(uid)["assessment"]
    assert (kept["verdict"], kept["finding"]) == ("reject", "covid19")


def test_amending_needs_words(page: Page, node: LiveNode, films: FilmSender) -> None:
    uid = films.send("AMENDED^AMY")
    node.final(uid)
    open_worklist(page)
    row(page, uid).focus()
    page.keyboard.press("m")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Keep the verdict").click()
    expect(dialog).to_be_visible()
    dialog.get_by_label("Comment").fill("left base too")
    dialog.get_by_role("button", name="Keep the verdict").click()
    expect(row(page, uid).locator(".reader")).to_contain_text("amend")
    assert node.study(uid)["assessment"]["comment"] == "left base too"


def test_failed_study_tells_what_to_do_and_is_read_after_retry(
    page: Page, node: LiveNode, films: FilmSender, screenshot: Screenshot
) -> None:
    open_worklist(page)
    film = films.render("FAILED^FAY")
    with ExitStack() as stack:
        with node.paused("worker"):
            uid = films.send_file(film)
            expect_state(page, uid, "QUEUED")
            # Intake would take what was deleted off the list, and read by itself what comes again.
            stack.enter_context(node.paused("intake"))
            (orthanc_id,) = node.lookup(uid, "Study")
            node.delete(f"/studies/{orthanc_id}")
        expect_state(page, uid, "FAILED")
        expect(row(page, uid)).to_contain_text("send it again")
        row(page, uid).get_by_role("button", name="Details").click()
        drawer = page.get_by_role("complementary")
        expect(drawer).to_contain_text("What to do: The archive did not give the images.")
        screenshot("failed")
        films.send_file(film)
        row(page, uid).get_by_role("button", name="Retry").click()
        expect_state(page, uid, "REPORTED")
    assert node.study(uid)["state"] == "REPORTED"


def test_reported_study_is_read_again_when_asked(
    page: Page, node: LiveNode, films: FilmSender
) -> None:
    uid = films.send("AGAIN^AGNES")
    runs = len(node.final(uid)["runs"])
    open_worklist(page)
    row(page, uid).get_by_role("button", name="Details").click()
    page.get_by_role("complementary").get_by_role("button", name="Read again").click()
    expect(page.locator("#details .runs tbody tr")).to_have_count(runs + 1)
    node.final(uid, runs=runs + 1)


def test_refused_study_tells_why_and_what_to_do(page: Page, samples: Samples) -> None:
    uid = samples["knee"].study_instance_uid
    open_worklist(page)
    expect_state(page, uid, "REFUSED")
    row(page, uid).focus()
    page.keyboard.press("d")
    drawer = page.get_by_role("complementary")
    expect(drawer).to_contain_text("What to do: Read it without AI help.")
    expect(drawer.get_by_role("button", name="Accept")).to_be_disabled()
    expect(page.locator("#details-title")).to_be_focused()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(row(page, uid)).to_be_focused()


def test_details_show_findings_heatmap_and_the_models_limits(
    page: Page, node: LiveNode, films: FilmSender
) -> None:
    uid = films.send("DETAILED^DORA")
    told = node.final(uid)
    open_worklist(page)
    row(page, uid).get_by_role("button", name="Details").click()
    drawer = page.get_by_role("complementary")
    expect(drawer.locator(".finding")).to_have_count(len(told["findings"]))
    expect(drawer).to_contain_text("Not a medical device")
    expect(drawer).to_contain_text(told["model"]["name"])
    picture = drawer.get_by_role("img", name="Heatmap")
    expect(picture).to_have_js_property("complete", True)
    expect(picture).not_to_have_js_property("naturalWidth", 0)
