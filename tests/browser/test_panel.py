"""The panel: verdicts are kept, what a header says stays text, everybody can use it."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Dialog, expect

from dicom_node.phantom.samples import DemoSample
from tests.films import copy_of
from tests.nodes import LiveNode
from tests.viewers import Viewer

pytestmark = [pytest.mark.node, pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)>^<script>alert(2)</script>"


@pytest.mark.parametrize("verdict", ["accept", "reject", "amend"])
def test_verdict_is_kept_with_its_comment(
    node: LiveNode, viewer: Viewer, samples: dict[str, DemoSample], verdict: str
) -> None:
    study = samples["frontal"].study_instance_uid
    viewer.open(study)
    viewer.diagnose()
    viewer.ended("REPORTED")
    form = viewer.part("verdict")
    form.get_by_label("About").select_option("covid19")
    form.get_by_label("Comment").fill(f"{verdict}: an artefact <b>")
    viewer.part(verdict).click()
    expect(viewer.part("kept")).to_have_text("Kept.")
    expect(viewer.part("assessment")).to_contain_text(f"{verdict}: an artefact <b>")
    told = node.study(study)
    assert told["assessment"]["verdict"] == verdict
    assert told["assessment"]["finding"] == "covid19"
    assert told["assessment"]["report_sop_instance_uid"] == told["report"]["sop_instance_uid"]


def test_viewer_opens_again_in_the_same_browser(
    viewer: Viewer, samples: dict[str, DemoSample]
) -> None:
    """The second time the browser has the viewer's files and asks only whether they changed."""
    study = samples["frontal"].study_instance_uid
    viewer.open(study)
    viewer.page.goto("/ai/")
    viewer.open(study)
    viewer.diagnose()
    viewer.ended("REPORTED")
    viewer.page.reload()
    viewer.drawn()


def test_amending_asks_for_a_comment(viewer: Viewer, samples: dict[str, DemoSample]) -> None:
    viewer.open(samples["ct"].study_instance_uid)
    viewer.diagnose()
    viewer.part("amend").click()
    expect(viewer.part("kept")).to_contain_text("say in the comment")
    expect(viewer.part("assessment")).to_have_count(0)


def test_panel_speaks_of_the_study_in_view(viewer: Viewer, samples: dict[str, DemoSample]) -> None:
    state = {samples[name].study_instance_uid: end for name, end in _ENDS.items()}
    viewer.open("&StudyInstanceUIDs=".join(state))
    viewer.diagnose()
    panel = viewer.part("panel")
    expect(panel).to_have_attribute("data-study", re.compile("[0-9]"))
    first = str(panel.get_attribute("data-study"))
    (other,) = set(state) - {first}
    viewer.ended(state[first])
    name = {"REPORTED": "radiograph PA", "REFUSED": "knee radiograph"}[state[other]]
    image = viewer.page.locator("[data-cy=study-browser-thumbnail]").filter(has_text=name)
    image.scroll_into_view_if_needed()
    image.dblclick()
    expect(panel).to_have_attribute("data-study", other)
    viewer.ended(state[other])
    expect(viewer.part("findings")).to_have_count(1 if state[other] == "REPORTED" else 0)


_ENDS = {"frontal": "REPORTED", "knee": "REFUSED"}


def test_hostile_name_stays_text(
    node: LiveNode, viewer: Viewer, samples: dict[str, DemoSample], tmp_path: Path
) -> None:
    alarms: list[str] = []

    def alarm(dialog: Dialog) -> None:
        alarms.append(dialog.message)
        dialog.dismiss()

    viewer.page.on("dialog", alarm)
    study, film = copy_of(
        samples["frontal"].files[0],
        "hostile",
        tmp_path,
        PatientName=HOSTILE,
        StudyDescription="<svg onload=alert(3)>",
        SeriesDescription="<svg onload=alert(4)>",
    )
    node.send([film])
    assert node.final(study)["state"] == "REPORTED"
    viewer.page.goto("/ohif/?patientName=img%20src")
    expect(viewer.page.get_by_text("<svg onload=alert(3)>").first).to_be_visible()
    viewer.open(study)
    viewer.diagnose()
    viewer.ended("REPORTED")
    viewer.drawn(2)
    assert alarms == []


def test_panel_is_accessible(viewer: Viewer, samples: dict[str, DemoSample]) -> None:
    for name, state in (("frontal", "REPORTED"), ("knee", "REFUSED")):
        viewer.open(samples[name].study_instance_uid)
        viewer.diagnose()
        viewer.ended(state)
        for details in viewer.page.locator(".ai-panel details").all():
            details.locator("summary").click()
        found = Axe().run(viewer.page, context=[".ai-panel", ".ai-button"])
        assert found.violations_count == 0, found.generate_report()
