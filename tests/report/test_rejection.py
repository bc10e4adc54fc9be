"""Rejection notes: what they name, why, and under whose identity."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node import codes
from dicom_node.report import rejection
from dicom_node.report.encode import to_file
from dicom_node.report.heatmap import HeatmapWriter
from dicom_node.report.provenance import Station
from dicom_node.report.rejection import Rejection
from dicom_node.report.sr import SrWriter
from tests import builders
from tests.validators import dciodvfy_errors, validate_sr

STATION = Station("AITRIAGE")


def written() -> list[Dataset]:
    film = builders.Film().build()
    result = builders.result([film])
    pair = (SrWriter(STATION), HeatmapWriter(STATION))
    objects = [writer.write(result, [film], [builders.heatmap(film)]) for writer in pair]
    return [dcmread(BytesIO(to_file(one)), stop_before_pixels=True) for one in objects]


def note(why: Rejection = Rejection.SUPERSEDED) -> rejection.Note:
    return rejection.note(written(), why, STATION, builders.COMPLETED_AT)


@pytest.mark.parametrize(
    ("why", "value"),
    [(Rejection.SUPERSEDED, "113001"), (Rejection.WRONG_PATIENT, "113038"),
     (Rejection.UNSAFE, "113037")],
)  # fmt: skip
def test_note_says_why_and_names_what(why: Rejection, value: str) -> None:
    old = written()
    made = note(why)
    ds = dcmread(BytesIO(to_file(made.document)))

    assert (ds.Modality, ds.SeriesNumber, ds.Manufacturer) == ("KO", 9005, codes.MANUFACTURER)
    assert ds.ConceptNameCodeSequence[0].CodeValue == value
    named = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in ds.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    assert named == {one.SOPInstanceUID for one in old}
    (study,) = ds.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == ds.StudyInstanceUID == old[0].StudyInstanceUID
    assert (ds.PatientName, ds.PatientID) == (old[0].PatientName, old[0].PatientID)
    assert ds.SOPInstanceUID == made.reference.sop_instance_uid
    assert ds.TimezoneOffsetFromUTC == "+0000"


def test_note_written_twice_is_the_same() -> None:
    assert to_file(note().document) == to_file(note().document)
    assert note().reference != note(Rejection.UNSAFE).reference


def test_reason_is_the_wrong_patient_where_identities_contradict() -> None:
    old, new = written()[0], written()[0]
    assert rejection.reason_for(old, new) is Rejection.SUPERSEDED
    new.PatientName = "ANGSTROM^ZOE"
    assert rejection.reason_for(old, new) is Rejection.SUPERSEDED
    new.PatientID = "PID-0002"
    assert rejection.reason_for(old, new) is Rejection.WRONG_PATIENT


@pytest.mark.validators
@pytest.mark.parametrize("why", list(Rejection))
def test_note_passes_the_validators(why: Rejection, tmp_path: Path) -> None:
    file = tmp_path / "note.dcm"
    file.write_bytes(to_file(note(why).document))
    assert dciodvfy_errors(file) == []
    validate_sr(file)
