"""The main job on a real node: a study comes in by C-STORE, its report stands beside it."""

import subprocess
from pathlib import Path

import pydicom
import pytest

from dicom_node.domain import RunState
from dicom_node.phantom.samples import DemoSample, demo_studies
from tests.dcmtk import dcmtk
from tests.nodes import LiveNode

pytestmark = pytest.mark.node

COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture(scope="module")
def samples(node: LiveNode, demo_folder: Path) -> tuple[DemoSample, ...]:
    """Render the demo samples and send them all."""
    rendered = demo_studies(demo_folder / "main", seed=21)
    for sample in rendered:
        assert all(outcome.stored for outcome in node.send(sample.files))
    return rendered


def test_every_sample_ends_as_it_should(node: LiveNode, samples: tuple[DemoSample, ...]) -> None:
    for sample in samples:
        told = node.final(sample.study_instance_uid)
        assert told["state"] == sample.expected, (sample.name, told)
        if sample.refusals:
            assert told["refusal"]["code"] in sample.refusals


def test_report_is_one_valid_sr_with_the_sources_patient(
    node: LiveNode, samples: tuple[DemoSample, ...], tmp_path: Path
) -> None:
    for sample in samples:
        if sample.expected is not RunState.REPORTED:
            continue
        told = node.final(sample.study_instance_uid)
        source = pydicom.dcmread(sample.files[0], stop_before_pixels=True)
        (report,) = node.stored(told["report"]["sop_instance_uid"])
        assert report.SOPClassUID == COMPREHENSIVE_3D_SR
        assert (report.PatientID, report.PatientName) == (source.PatientID, source.PatientName)
        assert report.StudyInstanceUID == source.StudyInstanceUID
        (heatmap,) = (node.stored(h["sop_instance_uid"])[0] for h in told["heatmaps"])
        assert heatmap.SOPClassUID == SECONDARY_CAPTURE
        assert heatmap.PhotometricInterpretation == "RGB"
        assert len(told["runs"]) == 1
        assert all(seconds >= 0 for seconds in told["timings"].values())
        report.save_as(tmp_path / f"{sample.name}.dcm")


def test_refused_study_has_a_sentence_and_no_probability(
    node: LiveNode, samples: tuple[DemoSample, ...]
) -> None:
    refused = [s for s in samples if s.expected is RunState.REFUSED]
    assert refused
    for sample in refused:
        told = node.final(sample.study_instance_uid)
        assert told["refusal"]["reason"].endswith(".")
        assert told["findings"] == []
        assert told["priority"] is None
        assert told["report"] is None


def test_same_files_again_change_nothing(node: LiveNode, samples: tuple[DemoSample, ...]) -> None:
    sample = next(s for s in samples if s.expected is RunState.REPORTED)
    before = node.final(sample.study_instance_uid)
    node.send(sample.files)
    answer = node.post(f"/ai/studies/{sample.study_instance_uid}/runs", {"force": False})
    assert answer.status_code in {200, 202}
    after = node.final(sample.study_instance_uid, runs=len(before["runs"]))
    assert after["report"] == before["report"]
    assert len(node.stored(before["report"]["sop_instance_uid"])) == 1


def test_forced_run_supersedes_and_names_its_predecessor(
    node: LiveNode, samples: tuple[DemoSample, ...]
) -> None:
    sample = next(s for s in samples if s.expected is RunState.REPORTED)
    before = node.final(sample.study_instance_uid)
    path = f"/ai/studies/{sample.study_instance_uid}/runs"
    assert node.post(path, {"force": True}).status_code == 202
    after = node.final(sample.study_instance_uid, runs=len(before["runs"]) + 1)
    (report,) = node.stored(after["report"]["sop_instance_uid"])
    predecessor = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert (
        predecessor.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        == before["report"]["sop_instance_uid"]
    )
    assert node.post(path, {"force": False}).status_code == 200


def test_unknown_study_is_404_as_problem_json(node: LiveNode) -> None:
    answer = node.post("/ai/studies/2.25.404/runs", {})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_worklist_is_the_same_from_command_and_api(
    node: LiveNode, samples: tuple[DemoSample, ...]
) -> None:
    for sample in samples:
        node.final(sample.study_instance_uid)
    rows = node.get("/ai/worklist").json()["items"]
    listed = [row["study_instance_uid"] for row in rows]
    assert {s.study_instance_uid for s in samples} <= set(listed)
    shown = node.run("show", samples[0].study_instance_uid, "--json").stdout
    assert samples[0].study_instance_uid in shown
    assert samples[0].study_instance_uid in node.run("worklist", "--json").stdout


def test_dcmtk_finds_and_fetches_the_report(
    node: LiveNode, samples: tuple[DemoSample, ...], tmp_path: Path
) -> None:
    sample = next(s for s in samples if s.expected is RunState.REPORTED)
    told = node.final(sample.study_instance_uid)
    study, report = sample.study_instance_uid, told["report"]
    peer = ["-aec", "AITRIAGE", "127.0.0.1", str(node.dicom_port)]
    asked = _keys(
        QueryRetrieveLevel="SERIES", StudyInstanceUID=study, Modality="SR", SeriesDescription=""
    )
    assert "RESEARCH" in _dcmtk([dcmtk("findscu"), "-S", *asked, *peer])
    wanted = _keys(
        QueryRetrieveLevel="IMAGE",
        StudyInstanceUID=study,
        SeriesInstanceUID=report["series_instance_uid"],
        SOPInstanceUID=report["sop_instance_uid"],
    )
    _dcmtk([dcmtk("getscu"), "-S", "-od", str(tmp_path), *wanted, *peer])
    (fetched,) = tmp_path.iterdir()
    assert pydicom.dcmread(fetched).SOPInstanceUID == report["sop_instance_uid"]


def _keys(**keys: str) -> list[str]:
    return [part for key, value in keys.items() for part in ("-k", f"{key}={value}")]


def _dcmtk(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True)
    return done.stdout + done.stderr
