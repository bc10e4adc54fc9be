"""What a successor takes back: notes to destinations, and copies under a wrong identity."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.domain import InstanceRef, RefusalCode, RunState
from dicom_node.pixels.wrap import encode
from tests.pipelines import FILM, Bench, opened

OLD = "orthanc-old"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as one:
        one.ledger.deliveries.want({"pacs": {"sr", "rejection"}})
        yield one


def notes(bench: Bench) -> list[Dataset]:
    """Return the rejection notes that wait for the destination."""
    book = bench.ledger.deliveries
    files = [book.posted(due.sop_instance_uid) for due in book.due(bench.clock())]
    found = [dcmread(BytesIO(file)) for file in files if file is not None]
    return [ds for ds in found if ds.Modality == "KO"]


def test_successor_sends_a_note_that_rejects_the_report_before(bench: Bench) -> None:
    first = bench.run()
    assert notes(bench) == []
    image = FILM.build()
    image.PixelData = bytes(reversed(image.PixelData))
    bench.archive.take(image)
    second = bench.run()

    (note,) = notes(bench)
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    named = [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in note.ContentSequence
             if "ReferencedSOPSequence" in i]  # fmt: skip
    assert first.item.report is not None
    assert first.item.report.sop_instance_uid in named
    assert [d.InstanceNumber for d in bench.archive.reports] == [1, 2]
    assert len({d.SeriesInstanceUID for d in bench.archive.reports}) == len(bench.archive.reports)
    assert len([d for d in second.deliveries if d.state == "PENDING"]) == 2


def _shown_otherwise(bench: Bench, by: int) -> None:
    """Store the film again with other pixels."""
    image = FILM.build()
    image.PixelData = image.PixelData[by:] + image.PixelData[:by]
    bench.archive.take(image)


def test_note_that_was_not_sent_outlives_the_run_that_wrote_it(bench: Bench) -> None:
    first = bench.run()
    _shown_otherwise(bench, 1024)
    bench.run()
    _shown_otherwise(bench, 2048)
    bench.run()
    assert first.item.report is not None
    uid = first.item.report.sop_instance_uid
    rejected = [str(note.CurrentRequestedProcedureEvidenceSequence) for note in notes(bench)]
    assert len(rejected) == 2
    assert [uid in one for one in rejected] == [True, False]


def test_note_that_every_destination_has_is_kept_no_longer(bench: Bench) -> None:
    book = bench.ledger.deliveries
    book.want({place: {"sr", "rejection"} for place in ("pacs", "research")})
    bench.run()
    _shown_otherwise(bench, 1024)
    bench.run()
    (uid,) = {
        due.sop_instance_uid for due in book.due(bench.clock()) if book.posted(due.sop_instance_uid)
    }
    one, other = (due for due in book.due(bench.clock()) if due.sop_instance_uid == uid)
    book.delivered(one.delivery_id)
    assert book.posted(uid) is not None
    book.delivered(other.delivery_id)
    assert book.posted(uid) is None


def test_image_that_is_not_read_is_accounted_for_though_no_report_is_written(
    bench: Bench,
) -> None:
    first = bench.run()
    image = FILM.build()
    image.SOPInstanceUID = "1.2.3.4.6"
    image.PixelData = bytes(len(image.PixelData))
    bench.archive.files["blank"] = encode(image)
    listed = bench.archive.studies[bench.study]
    (series,) = listed.series
    blank = InstanceRef("1.2.3.4.6", "", series.series_instance_uid, "blank", "blank")
    series = replace(series, instances=(*series.instances, blank))
    bench.archive.put(replace(listed, series=(series,)))
    again = bench.run()
    assert again.item.report == first.item.report
    assert again.item.images is not None
    assert (again.item.images.eligible, again.item.images.read) == (2, 1)
    assert [one.code for one in again.item.images.left_out] == [RefusalCode.BLANK_IMAGE]


def test_corrected_name_supersedes_for_quality(bench: Bench) -> None:
    bench.run()
    image = FILM.build()
    image.PatientName = "Angstrom^Zoe^Maria"
    bench.archive.take(image)
    detail = bench.run()
    assert str(bench.archive.reports[-1].PatientName) == "Angstrom^Zoe^Maria"
    assert detail.item.patient_name == "Angstrom^Zoe^Maria"
    assert [n.ConceptNameCodeSequence[0].CodeValue for n in notes(bench)] == ["113001"]


def _sent_again(bench: Bench, image: Dataset, *, of: Dataset) -> None:
    """Store an image under another identity beside the copy that came before."""
    bench.archive.files[OLD] = encode(of)
    bench.archive.take(image)
    uid = str(image.StudyInstanceUID)
    listed = bench.archive.studies[uid]
    copy = InstanceRef(str(of.SOPInstanceUID), "", str(of.SeriesInstanceUID), OLD, "old")
    leftovers = tuple(
        InstanceRef(str(d.SOPInstanceUID), "", str(d.SeriesInstanceUID), "")
        for d in bench.archive.stored
    )
    bench.archive.put(replace(listed, copies=(copy,), leftovers=leftovers))


def test_corrected_patient_id_supersedes_the_copies_and_the_report(bench: Bench) -> None:
    bench.run()
    image = FILM.build()
    image.PatientID = "PID-CORRECTED"
    _sent_again(bench, image, of=FILM.build())
    detail = bench.run()

    assert detail.item.state is RunState.REPORTED
    assert [d.PatientID for d in bench.archive.reports] == ["PID-CORRECTED"]
    assert OLD not in bench.archive.files
    (note,) = notes(bench)
    assert note.ConceptNameCodeSequence[0].CodeValue == "113038"
    assert note.PatientID == FILM.build().PatientID
    done = [entry.action for entry in bench.ledger.audit.entries(bench.study)]
    assert "study.identity" in done
    assert "report.reject" in done


def test_other_pixels_under_the_same_uid_are_two_peoples(bench: Bench) -> None:
    bench.run()
    image, other = FILM.build(), FILM.build()
    image.PatientID = "PID-OTHER"
    other.PixelData = bytes(reversed(other.PixelData))
    _sent_again(bench, image, of=other)
    detail = bench.run()
    assert detail.item.refusal is not None
    assert detail.item.refusal.code is RefusalCode.PATIENT_MISMATCH
    assert OLD in bench.archive.files


def test_image_that_is_not_read_makes_no_second_report(bench: Bench) -> None:
    first = bench.run()
    bench.archive.take(FILM.build())
    listed = bench.archive.studies[bench.study]
    broken = InstanceRef("1.2.3.4.5", "", "1.2.3.4", "broken", "broken")
    bench.archive.files["broken"] = b"no DICOM file"
    series = replace(listed.series[0], series_instance_uid="1.2.3.4", instances=(broken,))
    bench.archive.put(replace(listed, series=(*listed.series, series)))
    again = bench.run()

    assert again.item.report == first.item.report
    assert again.item.state is RunState.REPORTED
    assert len(bench.archive.reports) == 1
    assert notes(bench) == []
    assert len(again.deliveries) == 1
