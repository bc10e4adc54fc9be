"""Bad input on a real node: a coded end in plain view, nothing lost, and the next study is read."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.uid import UID

from dicom_node import uids
from dicom_node.domain import RunState
from dicom_node.errors import StoreRejected
from dicom_node.phantom.samples import DemoSample, demo_studies
from dicom_node.pixels.wrap import encode
from tests.nodes import LiveNode, NotYetError, eventually

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def phantoms(demo_folder: Path) -> dict[str, DemoSample]:
    """Render a second set of samples, told apart from the demo's by their UIDs."""
    rendered = demo_studies(demo_folder / "bad-input", seed=2)
    return {
        kind: next(s for s in rendered if s.kind == kind and s.expected is RunState.REPORTED)
        for kind in ("CXR", "CT")
    }


@pytest.fixture(autouse=True)
def _next_good_study_is_read(
    node: LiveNode, phantoms: dict[str, DemoSample], tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[None]:
    """After each test: the node is healthy, and a good film sent then is reported."""
    yield
    node.healthy()
    good = copies(phantoms["CXR"].files, tmp_path / "good", after=request.node.name)
    node.send(good.files)
    assert node.final(good.study)["state"] == "REPORTED"


class Copy:
    """A study copied under UIDs of its own."""

    def __init__(self, study: str, files: list[Path]) -> None:
        self.study = study
        self.files = files


def copies(files: Sequence[Path], folder: Path, *, after: str) -> Copy:
    """Copy a study under UIDs that derive from ``after``."""
    folder.mkdir(parents=True)
    written = []
    for index, file in enumerate(files):
        dataset = dcmread(file)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(dataset, keyword, uids.derive(after, getattr(dataset, keyword)))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        written.append(_write(dataset, folder / f"{index:04d}.dcm"))
    return Copy(str(dataset.StudyInstanceUID), written)


def walk(item: Dataset) -> Iterator[Dataset]:
    """Yield every content item of an SR."""
    yield item
    for child in item.get("ContentSequence", []):
        yield from walk(child)


def _write(dataset: Dataset, path: Path) -> Path:
    path.write_bytes(encode(dataset))
    return path


def _rename(dataset: Dataset, name: str) -> None:
    dataset.SOPInstanceUID = UID(uids.derive(name))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


@pytest.mark.data
def test_every_hostile_file_ends_with_a_code(node: LiveNode, data_dir: Path) -> None:
    """Send all 66 files one by one; every study that the archive then holds must end, coded."""
    files = sorted((data_dir / "dicom").glob("*/*.dcm"))
    assert len(files) == 66
    for file in files:
        node.dcmsend([file])
    held = node.archived()
    assert len(held) >= 35
    for uid in held:
        assert_ended_in_plain_view(node.final(uid))


@pytest.mark.data
def test_every_hostile_file_at_once_loses_nothing(node: LiveNode, data_dir: Path) -> None:
    node.dcmsend(sorted((data_dir / "dicom").glob("*/*.dcm")))
    for uid in node.archived():
        assert_ended_in_plain_view(node.final(uid))
        assert len(node.reports(uid)) <= len(node.study(uid)["runs"]) + 2  # two files are SRs


def assert_ended_in_plain_view(told: dict[str, object]) -> None:
    """Check that a study has exactly one of report, refusal and error."""
    ends = {
        "REPORTED": told["report"] is not None,
        "REFUSED": told["refusal"] is not None,
        "FAILED": told["error"] is not None,
    }
    assert [state for state, shown in ends.items() if shown] == [told["state"]], told


@pytest.mark.data
def test_volume_without_sop_instance_uids_is_refused_to_its_sender(
    node: LiveNode, data_dir: Path
) -> None:
    """P002 as it is: Orthanc takes none of it, and says so; from files it is refused by code."""
    folder = data_dir / "ct" / "volumes" / "P002"
    before = node.archived()
    with closing(node.archive()) as archive:
        for file in sorted(folder.iterdir()):
            with pytest.raises(StoreRejected):
                archive.store(file.read_bytes())
    assert node.archived() == before
    done = node.run("analyze", str(folder), "--json", check=False)
    assert done.returncode == 3
    assert "DUPLICATE_SOP_INSTANCE_UID" in done.stdout


@pytest.mark.data
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_volume_whose_slices_share_one_uid_is_refused(
    node: LiveNode, data_dir: Path, tmp_path: Path
) -> None:
    """P002 with one valid UID on all slices: an archive keeps one of them."""
    slices = [dcmread(file) for file in sorted((data_dir / "ct" / "volumes" / "P002").iterdir())]
    study = uids.derive("shared uid", "study")
    for dataset in slices:
        dataset.StudyInstanceUID = study
        dataset.SeriesInstanceUID = uids.derive("shared uid", "series")
        _rename(dataset, "shared uid")
    node.send(_write(d, tmp_path / f"{i}.dcm") for i, d in enumerate(slices))
    told = node.final(study)
    assert told["state"] == "REFUSED"
    assert told["refusal"]["code"] == "TOO_FEW_SLICES"


def test_two_patients_under_one_study_uid_is_refused(
    node: LiveNode, phantoms: dict[str, DemoSample], tmp_path: Path
) -> None:
    first = copies(phantoms["CXR"].files, tmp_path / "first", after="two patients")
    other = dcmread(first.files[0])
    other.PatientID = "SYNTHETIC-OTHER"
    _rename(other, "other")
    node.send([*first.files, _write(other, tmp_path / "other.dcm")])
    for attempt in eventually():
        with attempt:
            told = node.final(first.study)
            if told["state"] == "REPORTED":
                raise NotYetError("the second patient's image has not been noticed")
    assert told["state"] == "REFUSED"
    assert told["refusal"]["code"] == "PATIENT_MISMATCH"


def test_series_with_one_slice_missing_says_so(
    node: LiveNode, phantoms: dict[str, DemoSample], tmp_path: Path
) -> None:
    series = copies(phantoms["CT"].files, tmp_path / "holed", after="one missing")
    del series.files[len(series.files) // 2]
    node.send(series.files)
    told = node.final(series.study)
    assert told["state"] == "REPORTED"
    (report,) = node.stored(told["report"]["sop_instance_uid"])
    texts = [item.TextValue for item in walk(report) if "TextValue" in item]
    assert any("missing" in text for text in texts), texts


@pytest.mark.filterwarnings("ignore:Invalid value for VR IS")
def test_series_number_that_is_none_hinders_nobody(
    node: LiveNode, phantoms: dict[str, DemoSample], tmp_path: Path
) -> None:
    odd = dcmread(phantoms["CXR"].files[0])
    odd.add(DataElement("SeriesNumber", "LO", "--1"))
    odd["SeriesNumber"].VR = "IS"
    odd.StudyInstanceUID = uids.derive("odd series number")
    _rename(odd, "odd series number")
    node.send([_write(odd, tmp_path / "odd.dcm")])
    assert_ended_in_plain_view(node.final(str(odd.StudyInstanceUID)))


def test_study_without_images_is_refused(
    node: LiveNode, phantoms: dict[str, DemoSample], tmp_path: Path
) -> None:
    empty = dcmread(phantoms["CXR"].files[0])
    del empty.PixelData
    empty.StudyInstanceUID = uids.derive("empty study")
    _rename(empty, "empty")
    node.send([_write(empty, tmp_path / "empty.dcm")])
    told = node.final(str(empty.StudyInstanceUID))
    assert told["state"] == "REFUSED"
    assert told["refusal"]["code"] == "NO_PIXEL_DATA"


def test_study_deleted_while_it_waits_leaves_the_list(
    node: LiveNode, phantoms: dict[str, DemoSample], tmp_path: Path
) -> None:
    waiting = copies(phantoms["CT"].files, tmp_path / "deleted", after="deleted")
    del waiting.files[5]  # a hole: the series waits for its deadline
    node.send(waiting.files)
    for attempt in eventually():
        with attempt:
            assert node.study(waiting.study)["state"] == "RECEIVED"
    (study,) = node.lookup(waiting.study, "Study")
    node.delete(f"/studies/{study}")
    for attempt in eventually():
        with attempt:
            listed = node.get("/ai/worklist?limit=10000").json()["items"]
            if waiting.study in {item["study_instance_uid"] for item in listed}:
                raise NotYetError(f"{waiting.study} is still in the list")


def test_corrected_demographics_are_those_of_the_report(
    node: LiveNode, phantoms: dict[str, DemoSample], tmp_path: Path
) -> None:
    film = copies(phantoms["CXR"].files, tmp_path / "corrected", after="corrected")
    node.send(film.files)
    first = node.final(film.study)
    corrected = dcmread(film.files[0])
    corrected.PatientName = "SYNTHETIC^CORRECTED"
    pixels = corrected.pixel_array.copy()
    pixels[500:600] = np.flipud(pixels[500:600])  # re-sent with other pixels: to be read again
    corrected.PixelData = pixels.tobytes()
    node.send([_write(corrected, tmp_path / "corrected.dcm")])
    told = node.final(film.study, runs=len(first["runs"]) + 1)
    (report,) = node.stored(told["report"]["sop_instance_uid"])
    assert str(report.PatientName) == "SYNTHETIC^CORRECTED"
    assert told["report"] != first["report"]
