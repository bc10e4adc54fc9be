"""The report as a whole, where no validator looks (language, relationships, flags)."""

from zoneinfo import ZoneInfo

import pytest
from pydicom.dataset import Dataset

from dicom_node import codes
from dicom_node.codes import Code
from dicom_node.errors import ReportError
from dicom_node.report.provenance import Station
from dicom_node.report.sr import SrWriter
from tests import builders
from tests.sources import SOURCES
from tests.srtree import (
    WRITER,
    children,
    code_of,
    film_report,
    name,
    report,
    tree,
)


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


def test_procedure_reported_is_of_the_examination() -> None:
    film = film_report()
    series = report(SOURCES["ct_40"]())

    assert code_of(children(film, "121058")[0]) == codes.IMAGING_PROCEDURE
    assert code_of(children(series, "121058")[0]) == codes.CT_UNSPECIFIED
    assert film.PerformedProcedureCodeSequence[0].CodeMeaning == codes.CHEST_RADIOGRAPH.meaning
    assert series.PerformedProcedureCodeSequence[0].CodeMeaning == codes.CHEST_CT.meaning


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


def test_no_findings_raises() -> None:
    film = builders.Film().build()
    with pytest.raises(ReportError, match="cannot be built"):
        WRITER.write(builders.result([film], findings=()), [film], [])


@pytest.mark.parametrize(
    ("zone", "offset", "time"),
    [("UTC", "+0000", "104730"), ("Asia/Kathmandu", "+0545", "163230"),
     ("America/St_Johns", "-0330", "071730")],
)  # fmt: skip
def test_times_are_the_sites_and_say_so(zone: str, offset: str, time: str) -> None:
    film = builders.Film().build()
    writer = SrWriter(Station("AITRIAGE", ZoneInfo(zone)))

    ds = writer.write(builders.result([film]), [film], [])

    assert ds.TimezoneOffsetFromUTC == offset
    assert str(ds.ContentTime).startswith(time)


def test_tracking_identifiers_say_what_is_tracked() -> None:
    tracked = [item.TextValue for item in tree(film_report()) if name(item) == "112039"]
    assert tracked[0] == "Cornerstone3DTools@^0.1.0:RectangleROI:AI COVID-19"
    assert len(set(tracked)) == len(tracked)


def test_private_codes_have_their_scheme_identified() -> None:
    (scheme,) = film_report().CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == codes.OWN_SCHEME
    assert scheme.CodingSchemeUID.startswith("2.25.")
    assert scheme.CodingSchemeResponsibleOrganization == codes.MANUFACTURER


def test_instance_numbers_count_the_runs() -> None:
    assert film_report().InstanceNumber == 1
    assert film_report(number=3).InstanceNumber == 3
