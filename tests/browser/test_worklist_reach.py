"""The pages for everybody: screen readers, phones, light rooms; and the history."""

from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect

from dicom_node.phantom.samples import DemoSample
from tests.browser.conftest import Screenshot
from tests.nodes import LiveNode
from tests.worklist_page import open_worklist, row

pytestmark = [pytest.mark.node, pytest.mark.browser]

Samples = dict[str, DemoSample]
PHONE: ViewportSize = {"width": 390, "height": 844}


def expect_no_violation(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def open_details(page: Page, uid: str) -> None:
    row(page, uid).get_by_role("button", name="Details").click()
    expect(page.locator("#details-body .runs")).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_worklist_has_no_violation(
    page: Page, samples: Samples, theme: str, screenshot: Screenshot
) -> None:
    open_worklist(page)
    if theme == "light":
        page.get_by_role("button", name="Light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    expect(row(page, samples["ct"].study_instance_uid)).to_be_visible()
    expect_no_violation(page)
    screenshot(f"list-{theme}")
    open_details(page, samples["frontal"].study_instance_uid)
    expect_no_violation(page)


def test_dialogs_have_no_violation(page: Page, samples: Samples) -> None:
    open_worklist(page)
    page.keyboard.press("?")
    expect_no_violation(page)
    page.keyboard.press("Escape")
    row(page, samples["frontal"].study_instance_uid).focus()
    page.keyboard.press("a")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect_no_violation(page)


def test_table_is_a_table_for_screen_readers(page: Page, samples: Samples) -> None:
    open_worklist(page)
    table = page.get_by_role("table", name="Studies in reading order")
    expect(table.get_by_role("columnheader")).to_have_count(8)
    knee = row(page, samples["knee"].study_instance_uid)
    expect(table.get_by_role("row").and_(knee).get_by_role("cell")).to_have_count(8)
    expect(page.locator("#news")).to_have_attribute("aria-live", "polite")


def test_page_fits_a_phone(page: Page, samples: Samples, screenshot: Screenshot) -> None:
    page.set_viewport_size(PHONE)
    open_worklist(page)
    expect(row(page, samples["ct"].study_instance_uid)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    screenshot("list")
    open_details(page, samples["frontal"].study_instance_uid)
    expect_no_violation(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.usefixtures("samples")
def test_history_counts_today_and_has_no_violation(page: Page, node: LiveNode) -> None:
    page.goto("/ai/trends?days=7")
    expect(page.locator(".chart canvas")).to_have_count(4)
    expect(page.locator("#numbers tr")).to_have_count(7)
    today = node.get("/ai/history?days=1").json()["days"][0]
    assert datetime.fromisoformat(today["start"]).date() == datetime.now(UTC).date()
    expect(page.locator("#numbers tr").first).to_contain_text(str(today["arrivals"]))
    expect_no_violation(page)
    page.get_by_label("30").check()
    expect(page.locator("#numbers tr")).to_have_count(30)
    page.reload()
    expect(page.locator("#numbers tr")).to_have_count(30)
