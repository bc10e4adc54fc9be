"""DELETE by DICOMweb's paths: out of the archive and off the list, with the audit kept."""

from datetime import UTC, datetime

import pytest

from dicom_node.domain import RunState
from dicom_node.ledger import Ledger
from dicom_node.pixels.wrap import encode
from tests.builders import Film
from tests.ledgers import report, start, study, wish
from tests.orthancs import Site

STUDY = "2.25.1"


def store(site: Site, *, patient: str = "P1", series: int = 1, instance: int = 1) -> None:
    """Store an image of the study."""
    film = Film(name=f"{patient}-{series}-{instance}").build()
    film.PatientID, film.StudyInstanceUID = patient, STUDY
    film.SeriesInstanceUID = f"2.25.1.{series}"
    film.SOPInstanceUID = f"2.25.1.{series}.{instance}"
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    site.orthanc.store(encode(film))


def listed(site: Site) -> list[str]:
    """Return the studies of the worklist."""
    items = site.client.get("/ai/worklist").json()["items"]
    return [item["study_instance_uid"] for item in items]


def test_study_leaves_archive_and_list_and_its_audit_stays(site: Site, ledger: Ledger) -> None:
    store(site)
    store(site, patient="P2", series=2)
    report(ledger, "images-1", STUDY)
    assert listed(site) == [STUDY]
    answer = site.client.request("DELETE", f"/dicom-web/studies/{STUDY}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert site.orthanc.request("GET", "/studies").json() == []
    assert listed(site) == []
    assert site.client.get(f"/ai/studies/{STUDY}").status_code == 404
    assert {("study.deleted", STUDY), ("run.reported", STUDY)} <= site.audit
    again = site.client.request("DELETE", f"/dicom-web/studies/{STUDY}")
    assert again.status_code == 404


@pytest.mark.parametrize("is_running", [True, False])
def test_run_of_a_deleted_study_has_ended(site: Site, ledger: Ledger, is_running: bool) -> None:
    store(site)
    if is_running:
        run_id = start(ledger, "images-1", STUDY).run_id
    else:
        ledger.studies.record(study(STUDY), "CR")
        run_id = ledger.runs.request(wish("images-1", uid=STUDY)).run_id
    site.client.request("DELETE", f"/dicom-web/studies/{STUDY}")
    assert ledger.queries.run(run_id).state is RunState.FAILED
    assert ledger.runs.claim(run_id, "worker", 60) is None
    assert ledger.queries.failed_studies() == ()


def test_series_and_instance_leave_alone_until_the_last(site: Site, ledger: Ledger) -> None:
    for instance in (1, 2):
        store(site, instance=instance)
    store(site, series=2)
    report(ledger, "images-1", STUDY)
    place = f"/dicom-web/studies/{STUDY}/series"
    for part, left in (("2.25.1.1/instances/2.25.1.1.2", 2), ("2.25.1.1", 1)):
        assert site.client.request("DELETE", f"{place}/{part}").status_code == 204
        assert len(site.orthanc.request("GET", "/instances").json()) == left
        assert listed(site) == [STUDY]
        assert ledger.studies.due(datetime.now(UTC)) == (STUDY,)
    assert site.client.request("DELETE", f"{place}/2.25.1.2").status_code == 204
    assert listed(site) == []


@pytest.mark.parametrize(
    "path",
    [
        "2.25.404",
        "2.25.1/series/2.25.404",
        "2.25.404/series/2.25.1.1",
        "2.25.1/series/2.25.1.1/instances/2.25.404",
        "2.25.1/series/2.25.404/instances/2.25.1.1.1",
        "1" * 2000,
    ],
)
def test_what_is_not_held_is_404_and_nothing_is_lost(site: Site, path: str) -> None:
    store(site)
    assert site.client.request("DELETE", f"/dicom-web/studies/{path}").status_code == 404
    assert len(site.orthanc.request("GET", "/instances").json()) == 1
