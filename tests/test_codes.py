"""The codes that the node writes."""

import pytest
from pydicom.sr.codedict import codes as dictionary

from dicom_node import codes
from dicom_node.codes import Code

ALL = {name: code for name, code in vars(codes).items() if isinstance(code, Code)}


def test_findings_are_pinned() -> None:
    """No package here can look SNOMED CT up: a change must be meant."""
    assert {label: (code.value, code.scheme) for label, code in codes.FINDINGS.items()} == {
        "normal": ("17621005", "SCT"),
        "bacterial_pneumonia": ("53084003", "SCT"),
        "viral_pneumonia": ("75570004", "SCT"),
        "covid19": ("840539006", "SCT"),
    }


@pytest.mark.parametrize("name", sorted(ALL))
def test_code_fits_its_value_representations(name: str) -> None:
    code = ALL[name]
    assert 0 < len(code.value) <= 16, "Code Value is SH"
    assert 0 < len(code.scheme) <= 16, "Coding Scheme Designator is SH"
    assert 0 < len(code.meaning) <= 64, "Code Meaning is LO"


@pytest.mark.parametrize(
    ("ours", "keyword"),
    [
        (codes.NORMALITY, "Normality"),
        (codes.PROBABILITY, "Probability"),
        (codes.ARTIFICIAL_INTELLIGENCE, "ArtificialIntelligence"),
        (codes.LUNG, "Lung"),
        (codes.NORMAL, "Normal"),
        (codes.ABNORMAL, "Abnormal"),
        (codes.UNDETERMINED_NORMALITY, "NormalityUndetermined"),
        (codes.PRESENT, "Present"),
        (codes.ABSENT, "Absent"),
        (codes.UNDETERMINED, "Undetermined"),
        (codes.PRIORITY, "Priority"),
        (codes.SOURCE, "Source"),
        (codes.IMAGING_PROCEDURE, "ImagingProcedure"),
        (codes.CT_UNSPECIFIED, "CTUnspecifiedBodyRegion"),
        (codes.ACR_CATEGORY_1, "ACRCategory1ActionableFinding"),
        (codes.ACR_CATEGORY_2, "ACRCategory2ActionableFinding"),
        (codes.ACR_CATEGORY_3, "ACRCategory3ActionableFinding"),
    ],
)
def test_code_agrees_with_the_dictionary(ours: Code, keyword: str) -> None:
    theirs = getattr(getattr(dictionary, ours.scheme), keyword)
    meaning = theirs.meaning.removesuffix(" (attribute)")  # as SNOMED CT marks its kinds
    assert (ours.value, ours.meaning.lower()) == (theirs.value, meaning.lower())
