"""The image library of the report."""

import pytest

from dicom_node import codes
from tests.sources import SOURCES
from tests.srtree import (
    children,
    code_of,
    name,
    report,
    tree,
)


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
