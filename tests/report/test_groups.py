"""Measurement groups and evaluations of the report."""

import pytest

from dicom_node import codes
from dicom_node.codes import Code
from dicom_node.domain import Box, ModelIdentity, Presence, Priority, StudyKind
from dicom_node.errors import ReportError
from tests import builders
from tests.sources import SOURCES
from tests.srtree import (
    WRITER,
    children,
    code_of,
    evaluations,
    film_report,
    groups,
    name,
    report,
)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_group_can_be_drawn_labelled_and_hydrated(source: str) -> None:
    images = SOURCES[source]()
    for group in groups(report(images)):
        assert group.ContentTemplateSequence[0].TemplateIdentifier == "1501"
        (identifier,) = children(group, "112039")
        assert identifier.TextValue.startswith("Cornerstone3DTools@^0.1.0:RectangleROI:AI ")
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

    assert children(group, "111001")[0].TextValue == "cxr-lite"
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
    newer = ModelIdentity("cxr-lite", "2.0.0", "ef" * 32)

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


def test_ct_region_lies_on_its_key_slice() -> None:
    images = builders.Series(slices=12).build()
    key = images[7]
    where = builders.region(key, Box(1, 2, 30, 40))
    covid = builders.finding("covid19", 0.8, Presence.PRESENT, where)

    ds = report(images, findings=(covid,), kind=StudyKind.CT)

    (group,) = groups(ds)
    image = children(group, "122157")[0].ContentSequence[0].ContentSequence[0]
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == key.SOPInstanceUID


def test_measurement_has_a_group_of_its_own_after_the_findings() -> None:
    images = builders.Series(slices=12).build()
    covid = builders.finding("covid19", 0.8, Presence.PRESENT, builders.region(images[7]))

    ds = report(images, findings=(covid,), measurements=(builders.measurement(images[4]),))

    first, measured = groups(ds)
    assert code_of(children(first, "121071")[0]) == codes.COVID19
    assert code_of(children(measured, "121071")[0]) == codes.GROUND_GLASS_ATTENUATION
    (number,) = children(measured, codes.SHARE_OF_LUNG.value)
    value = number.MeasuredValueSequence[0]
    assert float(value.NumericValue) == 12.35
    assert value.MeasurementUnitsCodeSequence[0].CodeValue == "%"
    image = number.ContentSequence[0].ContentSequence[0].ReferencedSOPSequence[0]
    assert image.ReferencedSOPInstanceUID == images[4].SOPInstanceUID
    assert [item.TextValue for item in children(measured, "111002")] == [
        "definition=Lung between -650 and -250 HU."
    ]
    (label,) = children(measured, "121106")
    assert label.TextValue == "AI Ground-glass attenuation 12.3 %, share of lung volume"
    uids = [children(group, "112040")[0].UID for group in (first, measured)]
    assert len(set(uids)) == 2


def test_region_on_an_image_that_was_not_read_raises() -> None:
    film = builders.Film().build()
    other = builders.Film("other").build()
    covid = builders.finding("covid19", 0.8, Presence.PRESENT, builders.region(other))
    with pytest.raises(ReportError, match="lies on an image that was not read"):
        WRITER.write(builders.result([film], findings=(covid,)), [film], [])
