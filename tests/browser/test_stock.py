"""Our report in OHIF as its makers ship it, without our extension; and OHIF's report on ours."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect
from pydicom import dcmread

from dicom_node.phantom.samples import DemoSample
from dicom_node.pixels.wrap import Attributes, encode, radiograph
from tests.conftest import missing_tool
from tests.films import copy_of
from tests.nodes import LiveNode
from tests.viewers import Viewer

pytestmark = [pytest.mark.node, pytest.mark.browser]

NORMAL_FILMS = ("nih__00003895_000", "nih__00003415_000", "nih__00003226_004", "nih__00002949_000")


def open_report(viewer: Viewer, study: str) -> None:
    """Open a study in stock OHIF, past what it shows at first, and put the report into view."""
    viewer.open(study, stock=True)
    expect(viewer.part("button")).to_have_count(0)
    viewer.page.get_by_text("Skip all").click()
    viewer.page.get_by_role("button", name="Confirm and hide").click()
    viewer.report_series.dblclick()
    expect(viewer.page.locator("[data-cy=yes-hydrate-btn]")).to_be_visible()
    viewer.drawn()


def hydrate(viewer: Viewer) -> Locator:
    """Take the report's findings over as measurements; return their rows."""
    viewer.page.locator("[data-cy=yes-hydrate-btn]").click()
    viewer.page.locator("[data-cy=trackedMeasurements-btn]").click()
    return viewer.page.locator("[data-cy^=measurement-table-row-]")


MEASURED = {"frontal": 0, "ct": 1}
"""Measurements of the report that are no finding: the share of hazy lung."""


@pytest.mark.parametrize("name", ["frontal", "ct"])
def test_report_opens_and_becomes_measurements(
    node: LiveNode, viewer: Viewer, samples: dict[str, DemoSample], name: str
) -> None:
    study = samples[name].study_instance_uid
    open_report(viewer, study)
    findings = node.study(study)["findings"]
    measurements = hydrate(viewer)
    expect(measurements).to_have_count(len(findings) + MEASURED[name])
    for finding in findings:
        named = measurements.filter(has_text=f"AI {finding['code']['meaning']}")
        expect(named).to_have_count(1)
    expect(viewer.page.get_by_text("Something went wrong")).to_have_count(0)


@pytest.mark.data
def test_report_of_a_normal_film_opens_too(
    node: LiveNode, viewer: Viewer, data_dir: Path, tmp_path: Path
) -> None:
    normal = {}
    for name in NORMAL_FILMS:
        picture = radiograph(
            data_dir / "cxr" / "core" / "normal" / f"{name}.jpg", "CR", _ATTRIBUTES
        )
        file = tmp_path / f"{name}.dcm"
        file.write_bytes(encode(picture))
        node.send([file])
        told = node.final(str(picture.StudyInstanceUID))
        normal[told["study_instance_uid"]] = told["priority"]
    study = next(uid for uid, priority in normal.items() if priority == "LOW")
    open_report(viewer, study)
    measurements = hydrate(viewer)
    expect(measurements).to_have_count(4)
    present = re.compile(r"AI Normal .* present")
    expect(measurements.filter(has_text=present)).to_have_count(1)


_ATTRIBUTES = Attributes(patient_name="SYNTHETIC^Normal", study_description="stock")


@pytest.mark.parametrize("name", ["frontal", "ct"])
def test_report_is_readable_in_other_viewers(
    node: LiveNode, samples: dict[str, DemoSample], tmp_path: Path, name: str
) -> None:
    told = node.study(samples[name].study_instance_uid)
    (report,) = node.stored(told["report"]["sop_instance_uid"])
    report.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    program = shutil.which("dsr2html")
    if program is None:
        missing_tool("dsr2html is not installed (dcmtk)")
    command = [program, str(tmp_path / "sr.dcm")]
    page = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=True, timeout=60
    ).stdout
    source = dcmread(samples[name].files[0], stop_before_pixels=True)
    assert report.StudyDescription == source.StudyDescription
    for finding in told["findings"]:
        assert f"{finding['code']['meaning']}" in page
    assert "RESEARCH" in page.upper()


def test_ohifs_own_report_on_ours_starts_no_loop(
    node: LiveNode, viewer: Viewer, samples: dict[str, DemoSample], tmp_path: Path
) -> None:
    study = samples["frontal"].study_instance_uid
    before, reports = node.study(study), node.reports(study)
    open_report(viewer, study)
    hydrate(viewer)
    viewer.page.get_by_role("button", name="Create SR").click()
    with viewer.page.expect_response(lambda r: r.request.method == "POST") as stored:
        viewer.page.get_by_role("button", name="Save", exact=True).click()
    assert stored.value.ok
    assert len(node.reports(study)) == len(reports) + 1
    _intake_has_caught_up(node, samples["knee"].files[0], tmp_path)
    after = node.study(study)
    assert after["runs"] == before["runs"]
    assert after["report"] == before["report"]


def _intake_has_caught_up(node: LiveNode, film: Path, folder: Path) -> None:
    """Wait until a study that came later has been dealt with."""
    later, file = copy_of(film, "later", folder)
    node.send([file])
    node.final(later)
