"""The button: from the click to the report beside the image, without a reload."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect
from pydicom import dcmread

from dicom_node.phantom.samples import DemoSample
from tests.browsers import Console
from tests.nodes import LiveNode
from tests.viewers import Viewer

pytestmark = [pytest.mark.node, pytest.mark.browser]

Screenshot = Callable[[str], Path]


def send(node: LiveNode, files: list[Path]) -> str:
    """Send one study; return its Study Instance UID."""
    assert [sent for sent in node.send(files) if not sent.stored] == []
    return str(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)


def click_and_watch(
    node: LiveNode, viewer: Viewer, files: list[Path], screenshot: Screenshot
) -> str:
    """Send a study while the worker holds still, press the button, let it work on."""
    with node.paused("worker"):
        study = send(node, files)
        viewer.open(study)
        viewer.page.evaluate("window.neverReloaded = true")
        screenshot("before")
        viewer.diagnose()
        expect(viewer.part("progress")).to_contain_text(re.compile("Queued, [1-9][0-9]* s"))
        expect(viewer.part("button-state")).to_contain_text("queued")
        expect(viewer.part("findings")).to_have_count(0)
        screenshot("during")
    ending = viewer.ended("REPORTED")
    viewer.drawn(2)
    expect(viewer.viewports.nth(1)).to_contain_text("Probability")
    assert viewer.page.evaluate("window.neverReloaded")
    screenshot("after")
    assert node.study(study)["priority"] in ending.inner_text()
    return study


def show_heatmap(viewer: Viewer, screenshot: Screenshot) -> None:
    viewer.part("show-heatmap").click()
    expect(viewer.viewports.nth(1)).to_contain_text("heatmap")
    expect(viewer.viewports).to_have_count(2)
    screenshot("heatmap")
    viewer.part("show-report").click()
    expect(viewer.viewports.nth(1)).to_contain_text("Probability")


@pytest.mark.data
def test_click_on_a_real_film_brings_the_report_beside_it(
    node: LiveNode, viewer: Viewer, screenshot: Screenshot, data_dir: Path
) -> None:
    film = data_dir / "dicom" / "cxr" / "nih_udacity_test2.dcm"
    study = click_and_watch(node, viewer, [film], screenshot)
    told = node.study(study)
    expect(viewer.part("findings").get_by_role("meter")).to_have_count(len(told["findings"]))
    expect(viewer.part("facts")).to_contain_text(told["model"]["version"])
    viewer.part("facts").locator("summary").click()
    expect(viewer.part("facts")).to_contain_text("Intended use")
    viewer.part("history").locator("summary").click()
    expect(viewer.part("history").locator("li")).to_have_count(1)
    show_heatmap(viewer, screenshot)


@pytest.mark.data
def test_click_on_a_real_ct_brings_the_report_beside_it(
    node: LiveNode, viewer: Viewer, screenshot: Screenshot, data_dir: Path
) -> None:
    slices = sorted((data_dir / "ct" / "volumes" / "cap001").iterdir())
    click_and_watch(node, viewer, slices, screenshot)
    show_heatmap(viewer, screenshot)


def test_second_click_shows_what_is_there_and_runs_nothing(
    node: LiveNode, viewer: Viewer, samples: dict[str, DemoSample]
) -> None:
    study = samples["frontal"].study_instance_uid
    viewer.open(study)
    for _ in range(2):
        with viewer.page.expect_response(lambda r: r.url.endswith("/runs")) as answer:
            viewer.diagnose()
        assert answer.value.status == 200
        viewer.ended("REPORTED")
        viewer.drawn(2)
        expect(viewer.part("button")).to_be_enabled()
    assert len(node.study(study)["runs"]) == 1


def test_picture_that_was_lost_on_its_way_is_fetched_again(
    node: LiveNode,
    viewer: Viewer,
    console: Console,
    screenshot: Screenshot,
    samples: dict[str, DemoSample],
) -> None:
    study = samples["frontal"].study_instance_uid
    (heatmap,) = node.study(study)["heatmaps"]
    frames = re.compile(f"{heatmap['series_instance_uid']}.*/frames/")
    console.allow("ERR_FAILED|IMAGE_LOAD|XMLHttpRequest wadors|Failed to fetch")
    viewer.page.route(frames, lambda route: route.abort())
    viewer.open(study)
    viewer.diagnose()
    viewer.ended("REPORTED")
    viewer.drawn(2)
    viewer.part("show-heatmap").click()
    expect(viewer.viewports.nth(1)).to_contain_text("heatmap")
    viewer.page.unroute(frames)
    with viewer.page.expect_response(frames):
        viewer.drawn(2)
    screenshot("fetched")


def test_report_is_drawn_while_the_heatmap_is_still_on_its_way(
    node: LiveNode, viewer: Viewer, samples: dict[str, DemoSample]
) -> None:
    study = samples["frontal"].study_instance_uid
    (heatmap,) = node.study(study)["heatmaps"]
    frames = re.compile(f"{heatmap['series_instance_uid']}.*/frames/")
    on_their_way: list[Route] = []

    def hold(route: Route) -> None:
        on_their_way.append(route)

    viewer.page.route(frames, hold)
    viewer.open(study)
    viewer.diagnose()
    viewer.ended("REPORTED")
    viewer.drawn(2)
    expect(viewer.viewports.nth(1)).to_contain_text("Probability")
    viewer.part("show-heatmap").click()
    expect(viewer.viewports.nth(1)).not_to_contain_text("Probability")
    viewer.part("show-report").click()
    expect(viewer.viewports.nth(1)).to_contain_text("Probability")
    viewer.drawn(2)
    expect(viewer.thumbnails).to_have_count(1)
    with viewer.page.expect_response(frames):
        for route in on_their_way:
            route.continue_()
    expect(viewer.thumbnails).to_have_count(2)
    viewer.drawn(2)
    expect(viewer.viewports.nth(1)).to_contain_text("Probability")
    expect(viewer.viewports.nth(1)).not_to_contain_text("heatmap")


@pytest.mark.data
def test_refusal_says_why_and_gives_no_probability(
    node: LiveNode, viewer: Viewer, screenshot: Screenshot, data_dir: Path
) -> None:
    hip = data_dir / "dicom" / "gate_notchest" / "nema_rg2_hip_j2k.dcm"
    study = send(node, [hip])
    told = node.final(study)
    viewer.open(study)
    viewer.diagnose()
    ending = viewer.ended("REFUSED")
    expect(ending).to_contain_text(told["refusal"]["reason"])
    expect(ending).to_contain_text('does not mean "normal"')
    expect(viewer.part("findings")).to_have_count(0)
    expect(viewer.viewports).to_have_count(1)
    screenshot("refused")


@pytest.mark.data
def test_failure_says_what_to_do_and_can_be_tried_again(
    node: LiveNode, viewer: Viewer, console: Console, screenshot: Screenshot, data_dir: Path
) -> None:
    film = data_dir / "dicom" / "cxr" / "nih_udacity_test3.dcm"
    with ExitStack() as stack:
        with node.paused("worker"):
            study = send(node, [film])
            with viewer.page.expect_response(re.compile("/frames/1$")) as frame:
                viewer.open(study)
            frame.value.finished()  # else the archive has nothing to show, and the viewer says so
            viewer.diagnose()
            expect(viewer.part("progress")).to_be_visible()
            (orthanc_id,) = node.lookup(study, "Study")
            stack.enter_context(node.paused("intake"))  # which would take the study off the list
            node.delete(f"/studies/{orthanc_id}")
        failed = viewer.ended("FAILED")
        expect(failed).to_contain_text("fetch")
        expect(failed).to_contain_text("try again")
        screenshot("failed")
        console.allow("404|409")
        send(node, [film])
        viewer.part("retry").click()
        viewer.ended("REPORTED")
    viewer.drawn(2)


def test_api_that_is_down_is_said_and_reading_goes_on(
    node: LiveNode,
    viewer: Viewer,
    console: Console,
    screenshot: Screenshot,
    samples: dict[str, DemoSample],
) -> None:
    console.allow("503")
    study = samples["frontal"].study_instance_uid
    viewer.open(study)
    viewer.diagnose()
    viewer.ended("REPORTED")
    with node.without("api"):
        viewer.diagnose()
        expect(viewer.part("trouble")).to_contain_text("Reading goes on")
        viewer.drawn(2)
        screenshot("down")
    viewer.diagnose()
    viewer.ended("REPORTED")
    expect(viewer.part("trouble")).to_have_count(0)
