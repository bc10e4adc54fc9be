"""Late, repeated, changed and partial on a real node: each ends with exactly one live report."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, ChestCADSRStorage

from dicom_node import uids
from dicom_node.domain import Failure, Stage
from dicom_node.pixels.wrap import encode
from tests.nodes import LiveNode, NotYetError, eventually
from tests.resending import Studies, Study, live, opened, other_pixels, reports, settled

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def studies(demo_folder: Path) -> Studies:
    return Studies(demo_folder / "sent-again")


def until(condition: Callable[[], bool], what: str) -> None:
    for attempt in eventually():
        with attempt:
            if not condition():
                raise NotYetError(what)


def only_live(node: LiveNode, told: dict[str, Any]) -> Dataset:
    """Return the one live report, which must be the one that the worklist shows."""
    (report,) = live(node, told["study_instance_uid"])
    assert report.SOPInstanceUID == told["report"]["sop_instance_uid"]
    assert told["state"] == "REPORTED"
    return report


def test_same_bytes_five_times_are_read_once(node: LiveNode, studies: Studies) -> None:
    film = studies.film("five times")
    node.send(film.files())
    first = settled(node, film.uid)
    for _ in range(4):
        node.send(film.files())
    told = settled(node, film.uid)
    assert told["runs"] == first["runs"]
    assert len(reports(node, film.uid)) == 1
    only_live(node, told)


def test_other_pixels_under_the_same_uids_supersede(node: LiveNode, studies: Studies) -> None:
    film = studies.film("other pixels")
    node.send(film.files())
    first = settled(node, film.uid)
    node.send(film.files(change=other_pixels))
    second = settled(node, film.uid, runs=2)
    assert second["report"] != first["report"]
    only_live(node, second)
    node.send(film.files())  # and back again
    third = settled(node, film.uid, runs=3)
    assert third["report"] not in (first["report"], second["report"])
    only_live(node, third)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", "SYNTHETIC^CORRECTED"),
        ("PatientBirthDate", "19450508"),
        ("PatientSex", "M"),
        ("AccessionNumber", "CORRECTED"),
    ],
)
def test_other_demographics_are_those_of_the_live_report(
    node: LiveNode, studies: Studies, keyword: str, value: str
) -> None:
    film = studies.film(f"other {keyword}")
    node.send(film.files())
    settled(node, film.uid)
    node.send(film.files(change=lambda image: setattr(image, keyword, value)))
    told = settled(node, film.uid, runs=2)
    assert str(only_live(node, told)[keyword].value) == value


def test_ct_in_three_associations_close_together_is_one_reading(
    node: LiveNode, studies: Studies
) -> None:
    ct = studies.ct("three close")
    for third in (slice(0, 16), slice(16, 32), slice(32, 48)):
        node.send(ct.files(only=third))
    told = settled(node, ct.uid)
    assert len(told["runs"]) == 1
    assert len(only_live(node, told).CurrentRequestedProcedureEvidenceSequence) == 1


def test_ct_whose_rest_comes_after_the_report_is_read_again(
    node: LiveNode, studies: Studies
) -> None:
    ct = studies.ct("three apart")
    node.send(ct.files(only=slice(0, 24)))
    settled(node, ct.uid)
    node.send(ct.files(only=slice(24, 48)))
    told = settled(node, ct.uid, runs=2)
    only_live(node, told)
    assert "SUPERSEDED" in {run["state"] for run in told["runs"]}


def test_studies_interleaved_on_one_association_and_on_several(
    node: LiveNode, studies: Studies
) -> None:
    several = [studies.film(f"woven {n}") for n in range(3)]
    files = [study.files() for study in several]
    node.send([*files[0], *files[1], *files[0]])
    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(lambda one: all(o.stored for o in node.send(one)), files))
    for study in several:
        told = settled(node, study.uid)
        assert len(told["runs"]) == 1
        only_live(node, told)


def test_own_results_sent_back_change_nothing(
    node: LiveNode, studies: Studies, tmp_path: Path
) -> None:
    film = studies.film("own back")
    node.send(film.files())
    first = settled(node, film.uid)
    own = [first["report"]["sop_instance_uid"], first["heatmaps"][0]["sop_instance_uid"]]
    for uid in own:
        (image,) = node.stored(uid)
        image.save_as(tmp_path / f"{uid}.dcm")
    assert all(outcome.stored for outcome in node.send(sorted(tmp_path.iterdir())))
    told = settled(node, film.uid)
    assert told["runs"] == first["runs"]
    only_live(node, told)


@pytest.mark.parametrize("sop_class", [BasicTextSRStorage, ChestCADSRStorage])
def test_report_of_somebody_else_changes_nothing(
    node: LiveNode, studies: Studies, tmp_path: Path, sop_class: str
) -> None:
    """A radiologist's text and a vendor's CAD, which no model reads."""
    film = studies.film(f"foreign {sop_class}")
    node.send(film.files())
    first = settled(node, film.uid)
    file = tmp_path / "foreign.dcm"
    file.write_bytes(encode(foreign(film, sop_class)))
    assert all(outcome.stored for outcome in node.send([file]))
    told = settled(node, film.uid)
    assert told["runs"] == first["runs"]
    only_live(node, told)
    assert len(node.reports(film.uid)) == 2


def foreign(film: Study, sop_class: str) -> Dataset:
    """Return an SR beside a film."""
    ds = Dataset()
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyTime"):
        setattr(ds, keyword, film.images[0].get(keyword, ""))
    ds.SOPClassUID, ds.Modality, ds.SeriesNumber, ds.InstanceNumber = sop_class, "SR", 77, 1
    ds.SOPInstanceUID = uids.derive(film.uid, sop_class)
    ds.SeriesInstanceUID = uids.derive(film.uid, sop_class, "series")
    ds.SeriesDescription, ds.ValueType = "Radiologist", "CONTAINER"
    ds.file_meta = film.images[0].file_meta
    return ds


def test_prior_that_arrives_is_a_study_of_its_own(node: LiveNode, studies: Studies) -> None:
    film, prior = studies.film("current"), studies.film("prior")
    node.send(film.files())
    first = settled(node, film.uid)

    def older(image: Dataset) -> None:
        image.PatientID, image.StudyDate = film.images[0].PatientID, "20010101"

    node.send(prior.files(change=older))
    only_live(node, settled(node, prior.uid))
    told = settled(node, film.uid)
    assert told["runs"] == first["runs"]
    only_live(node, told)


def test_patient_merged_in_the_archive_while_queued(node: LiveNode, studies: Studies) -> None:
    film = studies.film("merged")
    with node.without("worker"):
        node.send(film.files())
        until(lambda: node.study(film.uid)["state"] == "QUEUED", "not queued yet")
        (study,) = node.lookup(film.uid, "Study")
        merge(node, study, "SYNTHETIC-SURVIVOR")
    told = settled(node, film.uid)
    assert only_live(node, told).PatientID == "SYNTHETIC-SURVIVOR"
    assert told["patient_id"] == "SYNTHETIC-SURVIVOR"


def test_patient_merged_in_the_archive_after_the_report(node: LiveNode, studies: Studies) -> None:
    film = studies.film("merged late")
    node.send(film.files())
    settled(node, film.uid)
    (study,) = node.lookup(film.uid, "Study")
    merge(node, study, "SYNTHETIC-SURVIVOR-2")
    told = settled(node, film.uid, runs=2)
    assert only_live(node, told).PatientID == "SYNTHETIC-SURVIVOR-2"


def merge(node: LiveNode, study: str, patient: str) -> None:
    """Give the study's patient another id by Orthanc's own means, UIDs kept."""
    keep = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
    wish = {
        "Replace": {"PatientID": patient},
        "Keep": keep,
        "KeepSource": False,
        "Force": True,
        "Synchronous": True,
    }
    before = node.get(f"/studies/{study}/patient").json()["ID"]
    answer = node.post(f"/patients/{before}/modify", wish)
    assert answer.status_code == httpx.codes.OK, answer.text


def test_study_deleted_while_queued_fails_leaves_the_list_and_comes_back(
    node: LiveNode, studies: Studies
) -> None:
    film = studies.film("deleted queued")
    with node.without("worker"):
        node.send(film.files())
        until(lambda: node.study(film.uid)["state"] == "QUEUED", "not queued yet")
        (study,) = node.lookup(film.uid, "Study")
        node.delete(f"/studies/{study}")
    gone = httpx.codes.NOT_FOUND
    until(lambda: node.get(f"/ai/studies/{film.uid}").status_code == gone, "still on the list")
    assert node.lookup(film.uid, "Study") == []
    node.send(film.files())
    until(lambda: node.study(film.uid)["state"] == "REPORTED", "not read after it came back")
    told = node.study(film.uid)
    only_live(node, told)
    first = told["runs"][-1]
    assert (first["state"], first["error"]["stage"]) == ("SUPERSEDED", "fetch")
    assert "archive" in first["error"]["message"]


def test_failure_beside_a_standing_report_is_tried_again_from_the_viewer(
    node: LiveNode, studies: Studies
) -> None:
    """Intake missed the study while it was deleted; a click must not hear "as it stands"."""
    film = studies.film("failed beside")
    node.send(film.files())
    first = settled(node, film.uid)
    with opened(node) as ledger:
        ledger.studies.fail(film.uid, Failure(Stage.FETCH, "the study is not in the archive"))
    assert node.study(film.uid)["state"] == "FAILED"
    answer = node.post(f"/ai/studies/{film.uid}/runs", {})
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    told = settled(node, film.uid, runs=3)
    assert told["report"] == first["report"]
    only_live(node, told)
