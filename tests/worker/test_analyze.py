"""``dicom-node analyze`` with the real models: what it prints, writes and answers the shell."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydicom import dcmread

from dicom_node.phantom.samples import DemoSample, demo_studies


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DemoSample]:
    rendered = demo_studies(tmp_path_factory.mktemp("analyze"), seed=5)
    return {sample.name: sample for sample in rendered}


def analyze(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "worker.main", "analyze", *map(str, arguments), "--json"],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("name", ["frontal", "ct"])
def test_analyze_reads_a_study_and_writes_report_and_heatmap(
    samples: dict[str, DemoSample], name: str, tmp_path: Path
) -> None:
    code, item = analyze(samples[name].files[0].parent, "--output", tmp_path)
    assert (code, item["state"]) == (0, "REPORTED")
    assert item["priority"] in {"STAT", "HIGH", "ROUTINE", "LOW"}
    written = {f.name.split("-")[0]: dcmread(f) for f in tmp_path.iterdir()}
    assert written.keys() == {"sr", "heatmap"}
    assert written["sr"].SOPInstanceUID == item["report"]["sop_instance_uid"]


@pytest.mark.parametrize("name", ["lateral", "knee"])
def test_analyze_refuses_what_is_no_frontal_chest(
    samples: dict[str, DemoSample], name: str
) -> None:
    code, item = analyze(*samples[name].files)
    assert (code, item["state"]) == (3, "REFUSED")
    assert item["findings"] == []


def test_analyze_file_that_is_no_dicom_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.dcm"
    page.write_text("<html></html>", encoding="utf-8")
    code, item = analyze(page)
    assert (code, item["refusal"]["code"]) == (3, "UNDECODABLE")


def test_analyze_picture_needs_a_modality(tmp_path: Path) -> None:
    picture = tmp_path / "blank.png"
    Image.new("L", (512, 512), 128).save(picture)
    assert analyze(picture)[1]["refusal"]["code"] == "MODALITY_NOT_SUPPORTED"
    for modality in ("CR", "DX"):
        told = analyze(picture, "--modality", modality)[1]
        assert (told["modality"], told["refusal"]["code"]) == (modality, "BLANK_IMAGE")


@pytest.mark.data
def test_analyze_several_studies_gives_an_item_for_each(data_dir: Path) -> None:
    code, told = analyze(data_dir / "dicom" / "cxr")
    states = [item["state"] for item in told["items"]]
    assert len(states) >= 5
    assert code == (0 if set(states) == {"REPORTED"} else 3)
