"""The worklist page as a test handles it."""

import re

from playwright.sync_api import Locator, Page, expect


def open_worklist(page: Page, query: str = "") -> None:
    """Open the page and wait for its first answer."""
    page.goto(f"/ai/{query}")
    expect(page.locator("#seen")).not_to_have_text("–")


def row(page: Page, uid: str) -> Locator:
    """Return the row of a study."""
    return page.locator(f'tr[data-uid="{uid}"]')


def listed(page: Page) -> list[str]:
    """Return the Study Instance UIDs from first to last."""
    rows = page.locator("tr[data-uid]")
    return [str(rows.nth(n).get_attribute("data-uid")) for n in range(rows.count())]


def expect_listed(page: Page, uids: list[str]) -> None:
    """Wait until exactly these studies are listed, in this order."""
    expect(page.locator("tr[data-uid]")).to_have_count(len(uids))
    for number, uid in enumerate(uids):
        expect(page.locator("tr[data-uid]").nth(number)).to_have_attribute("data-uid", uid)


def expect_state(page: Page, uid: str, state: str) -> None:
    """Wait until the study is in this state."""
    expect(row(page, uid)).to_have_class(re.compile(rf"\bstate-{state}\b"))


def current(page: Page) -> str | None:
    """Return the study that keys act on."""
    return page.locator("tr[aria-current]").get_attribute("data-uid")
