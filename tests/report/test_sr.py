"""The content tree of the report, where no validator looks (dicom.md section 1, last row)."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node import codes
from dicom_node.codes import Code
from dicom_node.domain import Box, ModelIdentity, Presence, Priority, StudyKind
from dicom_node.errors import ReportError
from dicom_node.report.encode import to_file
from dicom_node.report.provenance import Station
from dicom_node.report.sr import SrWriter
from tests import builders
from tests.sources import SOURCES

WRITER = SrWriter(Station("AITRIAGE"))


def report(images: Sequence[Dataset], **changes: Any) -> Dataset:
    result = builders.result(images, **changes)
    return dcmread(BytesIO(to_file(WRITER.write(result, images, []))))


def film_report(**changes: Any) -> Dataset:
    return report([builders.Film().build()], **changes)


def name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def children(item: Dataset, wanted: str) -> list[Dataset]:
    return [child for child in item.get("ContentSequence", []) if name(child) == wanted]


def tree(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        yield child
        yield from tree(child)


def groups(ds: Dataset) -> list[Dataset]:
    (measurements,) = children(ds, "126010")
    return children(measurements, "125007")


def code_of(item: Dataset) -> Code:
    value = item.ConceptCodeSequence[0]
    return Code(value.CodeValue, value.CodingSchemeDesignator, value.CodeMeaning)


def evaluations(ds: Dataset) -> Dataset:
    (container,) = children(ds, codes.QUALITATIVE_EVALUATIONS.value)
    return container


def test_root_is_a_tid_1500_report_in_english() -> None:
    ds = film_report()

    assert name(ds) == "126000"
    template = ds.ContentTemplateSequence[0]
    assert (template.MappingResource, template.TemplateIdentifier) == ("DCMR", "1500")
    (language,) = children(ds, "121049")
    assert language.RelationshipType == "HAS CONCEPT MOD"
    assert code_of(language) == Code("en-US", "RFC5646", "English (United States)")
    assert [name(item) for item in ds.ContentSequence] == [
        "121049",
        "121005",
        "121012",
        "121013",
        "121014",
        "121015",
        "121016",
        "121058",
        "111028",
        "126010",
        "C0034375",
    ]


def test_flags_say_complete_unverified_preliminary_research() -> None:
    ds = film_report()

    assert ds.CompletionFlag == "COMPLETE"
    assert ds.VerificationFlag == "UNVERIFIED"
    assert ds.PreliminaryFlag == "PRELIMINARY"
    assert ds.ContentQualification == "RESEARCH"
    assert (ds.Modality, ds.SeriesNumber) == ("SR", 9001)
    assert "PredecessorDocumentsSequence" not in ds


def test_every_container_is_separate() -> None:
    ds = film_report()
    containers = [ds, *(item for item in tree(ds) if item.ValueType == "CONTAINER")]
    assert {item.ContinuityOfContent for item in containers} == {"SEPARATE"}


def test_relationships_are_those_of_the_templates() -> None:
    ds = report(SOURCES["ct_40"]())
    expected = {
        "121049": "HAS CONCEPT MOD",
        "121005": "HAS OBS CONTEXT",
        "121012": "HAS OBS CONTEXT",
        "121058": "HAS CONCEPT MOD",
        "111028": "CONTAINS",
        "126200": "CONTAINS",
        "126010": "CONTAINS",
        "125007": "CONTAINS",
        "112039": "HAS OBS CONTEXT",
        "112040": "HAS OBS CONTEXT",
        "121071": "CONTAINS",
        "363698007": "HAS CONCEPT MOD",
        "111001": "HAS CONCEPT MOD",
        "111003": "HAS CONCEPT MOD",
        "111002": "HAS CONCEPT MOD",
        "111000": "HAS CONCEPT MOD",
        "122157": "CONTAINS",
        "111030": "INFERRED FROM",
        "121106": "CONTAINS",
        "121402": "CONTAINS",
        "260870009": "CONTAINS",
        "121139": "HAS ACQ CONTEXT",
        "110910": "HAS ACQ CONTEXT",
    }
    seen = {name(item): item.RelationshipType for item in tree(ds)}
    assert {code: seen.get(code) for code in expected} == expected


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_library_lists_every_image_with_its_modality(source: str) -> None:
    images = SOURCES[source]()
    (library,) = children(report(images), "111028")
    entries = [item for item in tree(library) if item.ValueType == "IMAGE"]

    listed = [str(entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for entry in entries]
    assert listed == [str(image.SOPInstanceUID) for image in images]
    for entry in entries:
        (modality,) = children(entry, "121139")
        assert modality.RelationshipType == "HAS ACQ CONTEXT"
        assert code_of(modality).value == images[0].Modality


def test_library_states_once_what_all_slices_share() -> None:
    images = SOURCES["ct_40"]()
    (library,) = children(report(images), "111028")
    (group,) = children(library, "126200")
    entries = [item for item in group.ContentSequence if item.ValueType == "IMAGE"]

    assert [str(item.UID) for item in children(group, "112227")] == [images[0].FrameOfReferenceUID]
    assert not any(children(entry, "112227") for entry in entries)
    heights = [
        float(children(entry, "110903")[0].MeasuredValueSequence[0].NumericValue)
        for entry in entries
    ]
    assert heights == [float(image.ImagePositionPatient[2]) for image in images]


def test_library_holds_no_text_that_the_source_lacks() -> None:
    (library,) = children(report(SOURCES["cr_bare"]()), "111028")
    assert {name(item) for item in tree(library)} == {
        "126200",
        codes.SOURCE.value,
        "121139",
        "110910",
        "110911",
    }


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_group_can_be_drawn_labelled_and_hydrated(source: str) -> None:
    images = SOURCES[source]()
    for group in groups(report(images)):
        assert group.ContentTemplateSequence[0].TemplateIdentifier == "1501"
        (identifier,) = children(group, "112039")
        assert identifier.TextValue == "Cornerstone3DTools@^0.1.0:RectangleROI"
        (uid,) = children(group, "112040")
        assert uid.UID.startswith("2.25.")
        (number,) = children(group, "122157")
        (scoord,) = number.ContentSequence
        assert (scoord.ValueType, scoord.RelationshipType) == ("SCOORD", "INFERRED FROM")
        assert scoord.GraphicType == "POLYLINE"
        points = list(zip(scoord.GraphicData[::2], scoord.GraphicData[1::2], strict=True))
        assert len(points) == 5
        assert points[0] == points[-1]
        assert all(0 <= x <= images[0].Columns and 0 <= y <= images[0].Rows for x, y in points)
        (image,) = scoord.ContentSequence
        assert (image.ValueType, image.RelationshipType) == ("IMAGE", "SELECTED FROM")


def test_group_of_a_class_says_all_that_was_found() -> None:
    first, *others = groups(film_report())

    (found,) = children(first, "121071")
    assert code_of(found) == codes.COVID19
    (site,) = children(first, "363698007")
    assert code_of(site) == codes.LUNG
    value = children(first, "122157")[0].MeasuredValueSequence[0]
    assert float(value.NumericValue) == 91.0
    assert value.MeasurementUnitsCodeSequence[0].CodeValue == "%"
    (label,) = children(first, "121106")
    assert label.TextValue == "AI COVID-19 91.0 % present"
    assert [children(group, "121106")[0].TextValue for group in others] == [
        "AI Normal 5.0 % absent",
        "AI Bacterial pneumonia 12.0 % absent",
        "AI Viral pneumonia 34.0 % absent",
    ]


def test_group_identifies_the_algorithm_with_all_that_made_the_call() -> None:
    group = groups(film_report())[0]

    assert children(group, "111001")[0].TextValue == "cxr-mobilenet"
    assert children(group, "111003")[0].TextValue == "1.4.2"
    assert [item.TextValue for item in children(group, "111002")] == [
        f"weights_sha256={'ab' * 32}",
        "threshold=0.5",
        f"policy_sha256={'cd' * 32}",
        "input=224x224",
    ]
    assert code_of(children(group, "111000")[0]) == codes.ARTIFICIAL_INTELLIGENCE


def test_tracking_uid_follows_study_and_class_but_not_the_model() -> None:
    film = builders.Film().build()
    newer = ModelIdentity("cxr-mobilenet", "2.0.0", "ef" * 32)

    before = report([film])
    after = report([film], model=newer, run_identity="next")

    uids = [str(children(group, "112040")[0].UID) for group in groups(before)]
    assert uids == [str(children(group, "112040")[0].UID) for group in groups(after)]
    assert len(set(uids)) == 4
    devices = [str(children(ds, "121012")[0].UID) for ds in (before, after)]
    assert devices[0] != devices[1]


def test_evaluations_state_normality_priority_classes_and_research_use() -> None:
    container = evaluations(film_report())

    stated = {
        name(item): code_of(item)
        for item in container.ContentSequence
        if "ConceptCodeSequence" in item
    }
    assert stated == {
        "121402": codes.ABNORMAL,
        "260870009": codes.ACR_CATEGORY_1,
        "17621005": codes.ABSENT,
        "53084003": codes.ABSENT,
        "75570004": codes.ABSENT,
        "840539006": codes.PRESENT,
    }
    comments = [item.TextValue for item in children(container, "121106")]
    assert comments[0].startswith("RESEARCH USE ONLY")
    assert comments[1:] == [
        "Reading priority STAT: COVID-19 present",
        "The upper lung apices lie outside of the film.",
    ]


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (Priority.STAT, codes.ACR_CATEGORY_1),
        (Priority.HIGH, codes.ACR_CATEGORY_2),
        (Priority.ROUTINE, codes.ACR_CATEGORY_3),
        (Priority.LOW, codes.LOW_PRIORITY),
    ],
)
def test_evaluations_code_each_priority(priority: Priority, expected: Code) -> None:
    (item,) = children(evaluations(film_report(priority=priority)), "260870009")
    assert code_of(item) == expected


def test_procedure_reported_is_of_the_examination() -> None:
    film = film_report()
    series = report(SOURCES["ct_40"]())

    assert code_of(children(film, "121058")[0]) == codes.IMAGING_PROCEDURE
    assert code_of(children(series, "121058")[0]) == codes.CT_UNSPECIFIED
    assert film.PerformedProcedureCodeSequence[0].CodeMeaning == codes.CHEST_RADIOGRAPH.meaning
    assert series.PerformedProcedureCodeSequence[0].CodeMeaning == codes.CHEST_CT.meaning


def test_ct_region_lies_on_its_key_slice() -> None:
    images = builders.Series(slices=12).build()
    key = images[7]
    where = builders.region(key, Box(1, 2, 30, 40))
    covid = builders.finding("covid19", 0.8, Presence.PRESENT, where)

    ds = report(images, findings=(covid,), kind=StudyKind.CT)

    (group,) = groups(ds)
    image = children(group, "122157")[0].ContentSequence[0].ContentSequence[0]
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == key.SOPInstanceUID


def test_predecessor_is_named() -> None:
    ds = film_report(predecessor=builders.PREDECESSOR)

    (study,) = ds.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == ds.StudyInstanceUID
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == builders.PREDECESSOR.series_instance_uid
    (old,) = series.ReferencedSOPSequence
    assert old.ReferencedSOPInstanceUID == builders.PREDECESSOR.sop_instance_uid


def test_orders_of_the_source_are_answered() -> None:
    film = builders.Film().build()
    order = Dataset()
    order.RequestedProcedureID = "RP-1"
    order.RequestedProcedureDescription = "Thorax p.a."
    order.ScheduledProcedureStepID = "SPS-1"
    film.RequestAttributesSequence = [order]

    (request,) = report([film]).ReferencedRequestSequence

    assert request.StudyInstanceUID == film.StudyInstanceUID
    assert request.AccessionNumber == film.AccessionNumber
    assert request.RequestedProcedureID == "RP-1"
    assert request.RequestedProcedureDescription == "Thorax p.a."
    assert request["FillerOrderNumberImagingServiceRequest"].is_empty


def test_region_on_an_image_that_was_not_read_raises() -> None:
    film = builders.Film().build()
    other = builders.Film("other").build()
    covid = builders.finding("covid19", 0.8, Presence.PRESENT, builders.region(other))
    with pytest.raises(ReportError, match="lies on an image that was not read"):
        WRITER.write(builders.result([film], findings=(covid,)), [film], [])


def test_no_findings_raises() -> None:
    film = builders.Film().build()
    with pytest.raises(ReportError, match="cannot be built"):
        WRITER.write(builders.result([film], findings=()), [film], [])
