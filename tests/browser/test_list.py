"""The study list: the node's reading order, states that differ by more than colour, searches."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from dicom_node.phantom.samples import DemoSample
from tests.browsers import Console
from tests.films import copy_of
from tests.nodes import LiveNode

pytestmark = [pytest.mark.node, pytest.mark.browser, pytest.mark.usefixtures("viewer_files")]

ACCENTED = "Müller-Østergård^Zoë Ann"


@pytest.mark.usefixtures("samples")
def test_list_is_in_reading_order_and_says_each_state(
    node: LiveNode, page: Page, screenshot: Callable[[str], Path]
) -> None:
    page.goto("/ohif/")
    cells = page.locator("[data-cy=ai-cell]")
    expect(cells.first).to_be_visible()
    order = [item["priority"] or item["state"] for item in node.get("/ai/worklist").json()["items"]]
    expect(cells).to_have_count(len(order))
    signs = cells.locator(".ai-sign").all_inner_texts()
    words = [
        text.removeprefix(sign).strip().upper()
        for text, sign in zip(cells.all_inner_texts(), signs, strict=True)
    ]
    assert words == order
    assert len(set(signs)) == len(set(words)) > 1
    expect(page.get_by_text("Research use only")).to_be_visible()
    screenshot("list")


@pytest.mark.usefixtures("samples")
def test_list_still_opens_where_the_node_does_not_tell_priorities(
    page: Page, console: Console
) -> None:
    console.allow("Failed to load resource")
    page.route("**/ai/worklist*", lambda route: route.abort())
    page.goto("/ohif/")
    expect(page.locator("[data-cy=ai-cell]").first).to_contain_text("No answer")


def test_search_finds_spaces_and_accents(
    node: LiveNode, page: Page, samples: dict[str, DemoSample], tmp_path: Path
) -> None:
    study, film = copy_of(samples["knee"].files[0], "accented", tmp_path, PatientName=ACCENTED)
    node.send([film])
    node.final(study)
    rows = page.locator("[data-cy=ai-cell]")
    for wanted in ("Zoë Ann", "müller-ø"):
        page.goto(f"/ohif/?patientName={quote(wanted)}")
        expect(rows).to_have_count(1)
        expect(page.get_by_text("Zoë Ann").first).to_be_visible()


def test_orthanc_explorer_has_the_button_too(
    node: LiveNode, page: Page, samples: dict[str, DemoSample]
) -> None:
    read = node.study(samples["frontal"].study_instance_uid)
    for name, words in (("frontal", read["priority_reason"]), ("knee", "Not read")):
        (orthanc_id,) = node.lookup(samples[name].study_instance_uid, "Study")
        page.goto(f"/app/explorer.html#study?uuid={orthanc_id}")
        page.reload()
        button = page.locator("#ai-diagnosis")
        expect(button).to_contain_text("research use only")
        button.click()
        expect(page.locator("#ai-answer")).to_contain_text(words)
