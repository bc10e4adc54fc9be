"""Inputs from public bug reports, each with what is right of it (`../shared/cases`)."""

import csv
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node import jsonform, settings
from dicom_node.domain import RefusalCode, WorklistItem
from tests.conftest import missing_tool
from worker.bench import Bench

pytestmark = pytest.mark.data

_NAMES = (
    "02_two_acquisitions_interleaved", "03_step_and_shoot_two_passes",
    "04_slices_without_position_unmentioned", "06_cosines_on_a_rounding_step",
    "07_jpegls_overlay_bits", "08_jpegls_signed_12_bits", "09_high_bit_15_of_12",
    "10_presentation_state_first_in_series", "11_variable_spacing",
    "12_series_number_no_integer", "13_voi_lut_8_bit_entries", "14_film_beside_ct_unmentioned",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Right:
    """What is right of one case; '' where anything is."""

    state: str
    read: str
    left_out: str
    not_in_output: str


@pytest.fixture(scope="module")
def cases() -> Path:
    """Return the folder of the cases, beside the research images."""
    folder = settings.load().data.resolve().parent / "cases"
    if not folder.is_dir():
        missing_tool(f"no cases at {folder}; set NODE_DATA")
    return folder


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the reports."""
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def bench(output: Path) -> Bench:
    """Return warm models."""
    return Bench.open(output)


def _right(cases: Path, name: str) -> Right:
    with (cases / "expected.csv").open(encoding="utf-8") as table:
        rows = {row["case"]: row for row in csv.DictReader(table)}
    row = rows[name]
    return Right(row["state"], row["read"], row["left_out"], row["not_in_output"])


def _unpacked(cases: Path, name: str, folder: Path) -> Path:
    with tarfile.open(cases / name / "input.tar.xz") as archive:
        for member in archive.getmembers():
            if (content := archive.extractfile(member)) is not None:
                (folder / Path(member.name).name).write_bytes(content.read())
    return folder


def test_two_people_in_one_study_are_refused(cases: Path, bench: Bench, tmp_path: Path) -> None:
    (item,) = bench.analyze([_unpacked(cases, "01_two_people_one_study", tmp_path)], None)
    assert item.refusal is not None
    assert item.refusal.code is RefusalCode.PATIENT_MISMATCH
    assert item.images is not None
    assert item.images.read == 0
    assert item.images.eligible > 0


@pytest.mark.parametrize("name", _NAMES)
def test_case_is_read_and_all_its_images_accounted_for(
    name: str, cases: Path, bench: Bench, output: Path, tmp_path: Path
) -> None:
    right = _right(cases, name)
    (item,) = bench.analyze([_unpacked(cases, name, tmp_path)], None)
    assert item.state == right.state, item.refusal
    assert item.images is not None
    assert item.images.read + sum(one.count for one in item.images.left_out) == (
        item.images.eligible
    )
    for wanted, got in (
        (right.read, item.images.read),
        (right.left_out, sum(one.count for one in item.images.left_out)),
    ):
        assert wanted in ("", str(got)), item.images
    if right.not_in_output:
        assert right.not_in_output not in str(jsonform.item(item))
    _assert_report_tells(item, output)


def _assert_report_tells(item: WorklistItem, output: Path) -> None:
    assert item.report is not None
    assert item.images is not None
    report = dcmread(output / f"sr-{item.report.sop_instance_uid}.dcm")
    words = [one.value for one in report.iterall() if one.keyword == "TextValue"]
    assert f"Images read: {item.images.read} of {item.images.eligible}." in words
    for sentence in item.images.sentences():
        assert sentence in words
