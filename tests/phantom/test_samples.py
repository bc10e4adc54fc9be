"""The demo studies are what a chest reader expects, marked, valid, and the same every time."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from dicom_node import policy
from dicom_node.domain import RunState, Sample, StudyKind
from dicom_node.phantom import samples
from dicom_node.phantom.samples import DemoSample
from dicom_node.pixels import folder, select
from tests.validators import dciodvfy_errors

_SEED = 1


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DemoSample]:
    place = tmp_path_factory.mktemp("demo")
    return {sample.name: sample for sample in samples.demo_studies(place, _SEED)}


def _read(study: DemoSample) -> Sample:
    reading = folder.read(study.files)
    assert reading.skipped == ()
    return select.select(study.kind, reading.loaded, policy.load().limits).samples[0]


def test_demo_studies_expect_two_reports_and_two_refusals(studies: dict[str, DemoSample]) -> None:
    expected = {name: study.expected for name, study in studies.items()}
    assert expected == {
        "frontal": RunState.REPORTED,
        "ct": RunState.REPORTED,
        "lateral": RunState.REFUSED,
        "knee": RunState.REFUSED,
    }
    assert all(bool(s.refusals) == (s.expected is RunState.REFUSED) for s in studies.values())


def test_demo_studies_are_marked_and_of_no_patient(studies: dict[str, DemoSample]) -> None:
    for study in studies.values():
        for file in study.files:
            ds = dcmread(file, stop_before_pixels=True)
            assert ds.StudyInstanceUID == study.study_instance_uid
            assert str(ds.PatientName).startswith("SYNTHETIC^")
            assert ds.PatientID.startswith("SYNTHETIC-")
            for keyword in ("StudyDescription", "SeriesDescription", "ImageComments"):
                assert ds[keyword].value.startswith("SYNTHETIC")
            assert ds.PatientBirthDate == ""


def test_demo_studies_have_uids_of_their_own(studies: dict[str, DemoSample]) -> None:
    files = [file for study in studies.values() for file in study.files]
    found = {dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files}
    assert len(found) == len(files)
    assert len({study.study_instance_uid for study in studies.values()}) == len(studies)


@pytest.mark.parametrize("name", ["frontal", "ct", "lateral", "knee"])
def test_demo_study_is_valid(studies: dict[str, DemoSample], name: str) -> None:
    assert dciodvfy_errors(studies[name].files[0]) == []
    assert dciodvfy_errors(studies[name].files[-1]) == []


def test_frontal_film_looks_like_a_chest(studies: dict[str, DemoSample]) -> None:
    pixels = _read(studies["frontal"]).pixels
    right_lung, left_lung = pixels[350:600, 200:330], pixels[350:600, 690:820]
    spine, liver = pixels[350:600, 490:535], pixels[800:950, 250:450]
    assert pixels.shape == (1024, 1024)
    for lung in (right_lung, left_lung):
        assert 0.1 < lung.mean() < 0.5
        assert lung.std() > 0.02  # ribs and vessels
    assert spine.mean() > 0.8
    assert liver.mean() > 0.7
    heart = pixels[580:700]
    assert heart[:, 600:700].mean() > heart[:, 324:424].mean()  # it lies to the left


def test_ct_is_a_chest_in_hounsfield_units(studies: dict[str, DemoSample]) -> None:
    sample = _read(studies["ct"])
    assert sample.kind is StudyKind.CT
    assert sample.pixels.shape == (48, 512, 512)
    assert sample.geometry.slice_spacing_mm == pytest.approx(6)
    assert (sample.geometry.gaps, sample.notes) == (0, ())
    middle = sample.pixels[24]
    voxel_ml = 6 * (360 / 511) ** 2 / 1000
    lung_ml = np.count_nonzero((sample.pixels > -930) & (sample.pixels < -500)) * voxel_ml
    assert 3000 < lung_ml < 8000
    assert -1010 < middle[:20].mean() < -990
    assert 20 < np.median(middle[240:270, 240:270]) < 70  # heart
    assert middle.max() > 500  # bone


def test_demo_studies_same_seed_same_files(tmp_path: Path, studies: dict[str, DemoSample]) -> None:
    label, (again,) = samples.knee_film(_SEED)
    assert label.study_instance_uid == studies["knee"].study_instance_uid
    again.save_as(tmp_path / "again.dcm", enforce_file_format=True)
    assert (tmp_path / "again.dcm").read_bytes() == studies["knee"].files[0].read_bytes()
    other, (different,) = samples.knee_film(_SEED + 1)
    assert other.study_instance_uid != label.study_instance_uid
    assert different.SOPInstanceUID != again.SOPInstanceUID
