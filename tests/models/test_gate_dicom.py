"""Every real DICOM file, as `dicom-node analyze` treats it: read, or refused with a sentence."""

from pathlib import Path

import pydicom
import pytest

from dicom_node.domain import RefusalCode, RunState, WorklistItem
from worker.bench import Bench

pytestmark = pytest.mark.data

NOT_READ = {"INCONSISTENT_HEADER": "nih_udacity_test5.dcm"}
"""Of the films whose headers lie, the one that says CT: no CT image is built like that."""
FOLDERS_WITHOUT_FILMS = (
    "ct",
    "transfer_syntax",
    "multiframe",
    "sr_and_other",
    "corrupt",
    "gate_notchest",
)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.open(None)


def _one(bench: Bench, file: Path) -> WorklistItem:
    (item,) = bench.analyze([file], None)
    return item


@pytest.mark.parametrize("folder", FOLDERS_WITHOUT_FILMS)
def test_analyze_refuses_whatever_is_no_frontal_chest_film(
    bench: Bench, data_dir: Path, folder: str
) -> None:
    files = sorted(file for file in (data_dir / "dicom" / folder).iterdir() if file.is_file())

    items = {file.name: _one(bench, file) for file in files}

    assert items
    for name, item in items.items():
        assert item.state is RunState.REFUSED, name
        assert item.refusal is not None
        assert item.refusal.code in set(RefusalCode), name
        assert item.refusal.reason.endswith("."), name
        assert not item.findings, name


def test_analyze_reads_every_chest_film(bench: Bench, data_dir: Path) -> None:
    files = sorted((data_dir / "dicom" / "cxr").glob("*.dcm"))

    assert {f.name: _one(bench, f).state for f in files} == {
        f.name: RunState.REPORTED for f in files
    }


def test_analyze_reads_films_whose_headers_lie_about_what_they_show(
    bench: Bench, data_dir: Path
) -> None:
    files = sorted((data_dir / "dicom" / "gate_header").glob("*.dcm"))

    refused = {f.name: item.refusal for f in files if (item := _one(bench, f)).refusal}

    assert len(files) == 3
    assert {r.code.value: name for name, r in refused.items()} == NOT_READ


def _relabelled(file: Path, folder: Path, **attributes: str) -> Path:
    dataset = pydicom.dcmread(file)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    copy = folder / file.name
    dataset.save_as(copy)
    return copy


def test_analyze_refuses_a_hip_that_is_labelled_chest(
    bench: Bench, data_dir: Path, tmp_path: Path
) -> None:
    hip = data_dir / "dicom" / "gate_notchest" / "nema_rg2_hip_j2k.dcm"
    labelled = _relabelled(hip, tmp_path, BodyPartExamined="CHEST", ViewPosition="PA")

    item = _one(bench, labelled)

    assert item.refusal is not None
    assert item.refusal.code is RefusalCode.NOT_CHEST


def test_analyze_reads_a_chest_that_is_labelled_hip(
    bench: Bench, data_dir: Path, tmp_path: Path
) -> None:
    chest = data_dir / "dicom" / "cxr" / "rsna_cr_jpegbaseline_pa.dcm"
    labelled = _relabelled(chest, tmp_path, BodyPartExamined="HIP", ViewPosition="LL")

    assert _one(bench, labelled).state is RunState.REPORTED
