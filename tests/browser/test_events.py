"""The worklist page is told of changes; without a stream of events it asks."""

import re

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browsers import Console
from tests.film_sender import FilmSender
from tests.nodes import LiveNode
from tests.worklist_page import expect_state, open_worklist, row

pytestmark = [pytest.mark.node, pytest.mark.browser]

LIVE = re.compile("^live$")


def asked(page: Page) -> list[str]:
    """Keep the addresses of the lists that a page asks for."""
    found: list[str] = []

    def keep(request: Request) -> None:
        if "/ai/board" in request.url or "/ai/worklist" in request.url:
            found.append(request.url)

    page.on("request", keep)
    return found


def test_row_appears_without_any_polling(page: Page, films: FilmSender) -> None:
    page.clock.install()
    open_worklist(page)
    expect(page.locator("#live")).to_have_text(LIVE)
    page.clock.run_for(5_000)
    requests = asked(page)
    page.clock.run_for(90_000)
    assert requests == []
    uid = films.send("EVENT^EVE")
    expect(row(page, uid)).to_be_visible()
    while not row(page, uid).and_(page.locator(".state-REPORTED")).is_visible():
        page.clock.run_for(1_000)
    assert requests != []


def test_page_says_that_the_stream_broke_and_recovers(
    page: Page, node: LiveNode, films: FilmSender, console: Console
) -> None:
    console.allow("50[0-9]|ERR_")
    open_worklist(page)
    expect(page.locator("#live")).to_have_text(LIVE)
    with node.without("api"):
        expect(page.locator("#live")).to_contain_text("not live")
        expect(page.get_by_role("alert").filter(has_text="as it was last seen")).to_be_visible()
    expect(page.locator("#live")).to_have_text(LIVE)
    expect(page.locator("#trouble")).to_be_hidden()
    expect_state(page, films.send("BACK^BEA"), "REPORTED")


def test_page_asks_where_a_stream_cannot_be_had(
    page: Page, films: FilmSender, console: Console
) -> None:
    console.allow("503")
    page.route("**/ai/events", lambda route: route.fulfill(status=503))
    open_worklist(page)
    expect(page.locator("#live")).to_contain_text("not live")
    expect_state(page, films.send("REFUSED^ROY"), "REPORTED")


def test_page_asks_where_the_browser_knows_no_events(page: Page, films: FilmSender) -> None:
    page.add_init_script("delete window.EventSource")
    open_worklist(page)
    expect_state(page, films.send("OLD^OTTO"), "REPORTED")


def test_page_tells_which_part_does_not_work(page: Page, node: LiveNode, console: Console) -> None:
    console.allow("503")
    open_worklist(page)
    expect(page.locator("#live")).to_have_text(LIVE)
    with node.without("redis"):
        expect(page.locator("#parts")).to_contain_text("redis: ")
    expect(page.locator("#parts")).not_to_contain_text("redis: ")
