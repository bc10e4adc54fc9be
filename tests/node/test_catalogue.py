"""The catalogue port on a real Orthanc: what a search finds, whatever is in it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node import uids
from dicom_node.archive.catalogue import OrthancCatalogue
from dicom_node.domain import MatchingKey
from dicom_node.errors import ArchiveUnavailable
from dicom_node.pixels.wrap import encode
from dicom_node.settings import Settings
from tests.builders import Film
from tests.films import copy_of
from tests.nodes import LiveNode, free_port

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def catalogue(node: LiveNode) -> Iterator[OrthancCatalogue]:
    with closing(OrthancCatalogue.connect(node.settings())) as connected:
        yield connected


@pytest.fixture(scope="module")
def studies(node: LiveNode, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Send three films under names that are hard to search for; UIDs by PatientID."""
    folder = tmp_path_factory.mktemp("catalogue")
    film = folder / "film.dcm"
    film.write_bytes(encode(Film(name="catalogue").build()))
    names = {"space": "Van der Berg^Anna", "accent": "Müller^Zoë", "sign": "O'Neill&Sons+1 %41^A"}
    sent = {}
    for patient_id, name in names.items():
        sent[patient_id], file = copy_of(
            film,
            f"catalogue-{patient_id}",
            folder,
            PatientName=name,
            PatientID=patient_id,
            StudyDescription="catalogue",
        )
        node.send([file])
        assert dcmread(file).PatientName == name
    return sent


@pytest.mark.parametrize(
    ("patient_id", "wanted"),
    [
        ("space", "*van der berg*"),
        ("accent", "*Müller*"),
        ("sign", "*&Sons+1 %41*"),
        ("sign", "*o'neill*"),
    ],
)
def test_search_finds_names_as_they_are_written(
    catalogue: OrthancCatalogue, studies: dict[str, str], patient_id: str, wanted: str
) -> None:
    assert catalogue.matching([MatchingKey("00100010", wanted)]) == (studies[patient_id],)


def test_answer_has_the_attributes_that_were_asked_for_in_the_order_given(
    catalogue: OrthancCatalogue, studies: dict[str, str]
) -> None:
    wanted = [studies["sign"], studies["space"]]
    entries = catalogue.described([*wanted, "2.25.404"], ["00081030", "00080060"])
    assert [entry.uid for entry in entries] == wanted
    for entry in entries:
        assert entry.attributes["00081030"] == {"Value": ["catalogue"], "vr": "LO"}


def test_lists_of_uids_and_modalities_match_any(
    catalogue: OrthancCatalogue, studies: dict[str, str]
) -> None:
    wanted = ",".join([studies["accent"], studies["sign"]])
    keys = [MatchingKey("0020000D", wanted), MatchingKey("00080061", "CR,DX")]
    assert set(catalogue.matching(keys)) == {studies["accent"], studies["sign"]}


def test_study_that_two_patients_share_is_told_once(
    node: LiveNode, catalogue: OrthancCatalogue, tmp_path: Path
) -> None:
    for number, patient_id in enumerate(("one", "other")):
        film = Film(name=f"catalogue-shared-{number}").build()
        film.StudyInstanceUID, film.PatientID = uids.derive("catalogue", "shared"), patient_id
        film.StudyID = "SHARED"
        (tmp_path / patient_id).write_bytes(encode(film))
        node.send([tmp_path / patient_id])
    study = uids.derive("catalogue", "shared")
    assert catalogue.matching([MatchingKey("00200010", "SHARED")]) == (study,)
    assert len(catalogue.described([study], [])) == 1


def test_orthanc_that_is_away_is_said(tmp_path: Path) -> None:
    with closing(OrthancCatalogue.connect(Settings(home=tmp_path, http_port=free_port()))) as away:
        with pytest.raises(ArchiveUnavailable):
            away.matching([])
        with pytest.raises(ArchiveUnavailable):
            away.described(["1.2.3"], [])
