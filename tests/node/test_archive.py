"""The archive port on a real Orthanc."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dicom_node import uids
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.archive.stow import StowDestination
from dicom_node.contiguity import contiguity
from dicom_node.destination import DestinationSettings
from dicom_node.domain import ObjectRef
from dicom_node.errors import ArchiveUnavailable, DeliveryFailed, StoreRejected, StudyNotFound
from dicom_node.pixels.wrap import encode
from dicom_node.settings import Settings
from tests.builders import Film, Series
from tests.nodes import LiveNode, free_port

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def archive(node: LiveNode) -> Iterator[OrthancArchive]:
    with closing(node.archive()) as connected:
        yield connected


def test_study_lists_series_instances_and_positions(archive: OrthancArchive) -> None:
    slices = Series(name="archive-ct", slices=14).build()
    for one in slices:
        archive.store(encode(one))
    listed = archive.study(str(slices[0].StudyInstanceUID))
    (series,) = (s for s in listed.series if s.modality == "CT")
    assert {i.sop_instance_uid for i in series.instances} == {d.SOPInstanceUID for d in slices}
    assert contiguity(series.positions_mm).spacing_mm == pytest.approx(5.0)
    assert archive.study_uid(listed.orthanc_id) == listed.study_instance_uid
    assert archive.study_uid_of_series(series.orthanc_id) == listed.study_instance_uid


def test_instance_is_what_was_stored(archive: OrthancArchive) -> None:
    film = encode(Film(name="archive-film").build())
    archive.store(film)
    listed = archive.study(str(Film(name="archive-film").build().StudyInstanceUID))
    assert archive.instance(listed.series[0].instances[0]) == film


def test_store_twice_keeps_one_and_changes_the_revision(archive: OrthancArchive) -> None:
    film = Film(name="archive-twice").build()
    archive.store(encode(film))
    first = archive.study(str(film.StudyInstanceUID)).series[0].instances
    archive.store(encode(film))
    second = archive.study(str(film.StudyInstanceUID)).series[0].instances
    assert len(first) == len(second) == 1
    assert first[0].revision != second[0].revision


def test_two_patients_under_one_uid_are_told(archive: OrthancArchive) -> None:
    film = Film(name="archive-patients").build()
    archive.store(encode(film))
    film.PatientID = "PID-0002"
    archive.store(encode(film))
    listed = archive.study(str(film.StudyInstanceUID))
    assert (listed.patient_id, listed.others) == ("PID-0002", ())
    assert [copy.sop_instance_uid for copy in listed.copies] == [film.SOPInstanceUID]


def test_holds_only_what_is_there(archive: OrthancArchive) -> None:
    film = Film(name="archive-holds").build()
    archive.store(encode(film))
    kept = ObjectRef(film.SOPClassUID, film.SOPInstanceUID, film.SeriesInstanceUID)
    assert archive.holds(kept)
    assert not archive.holds(ObjectRef(film.SOPClassUID, uids.derive("absent"), "1.2"))


def test_changes_are_paged_by_sequence(archive: OrthancArchive) -> None:
    archive.store(encode(Film(name="archive-changes").build()))
    first = archive.changes(0, limit=2)
    assert [c.sequence for c in first.changes] == sorted(c.sequence for c in first.changes)
    assert first.last == first.changes[-1].sequence
    after = archive.changes(first.last, limit=2)
    assert all(c.sequence > first.last for c in after.changes)


def test_studies_of_instances_leaves_out_what_is_gone(archive: OrthancArchive) -> None:
    film = Film(name="archive-instances").build()
    archive.store(encode(film))
    (instance,) = archive.study(str(film.StudyInstanceUID)).series[0].instances
    gone = "-".join(["0" * 8] * 5)
    found = archive.studies_of_instances([instance.orthanc_id, gone])
    assert found == (str(film.StudyInstanceUID),)
    assert archive.studies_of_instances([gone]) == ()


def test_unknown_study_is_not_found(archive: OrthancArchive) -> None:
    with pytest.raises(StudyNotFound):
        archive.study("1.2.3.4.5")


def test_no_dicom_is_rejected(archive: OrthancArchive) -> None:
    with pytest.raises(StoreRejected):
        archive.store(b"not a DICOM file")


def test_no_orthanc_is_unavailable() -> None:
    with (
        closing(OrthancArchive.connect(Settings(http_port=free_port()))) as nowhere,
        pytest.raises(ArchiveUnavailable),
    ):
        nowhere.version()


def test_stow_destination_stores(node: LiveNode, archive: OrthancArchive, tmp_path: Path) -> None:
    film = Film(name="archive-stow").build()
    path = tmp_path / "film.dcm"
    path.write_bytes(encode(film))
    url = f"http://127.0.0.1:{node.http_port}/dicom-web"
    StowDestination(DestinationSettings(name="web", kind="stow", url=url)).send(path)
    assert archive.study(str(film.StudyInstanceUID)).series


def test_stow_destination_that_is_away_may_come_back(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    path.write_bytes(encode(Film().build()))
    url = f"http://127.0.0.1:{free_port()}/dicom-web"
    with pytest.raises(DeliveryFailed):
        StowDestination(DestinationSettings(name="web", kind="stow", url=url)).send(path)
