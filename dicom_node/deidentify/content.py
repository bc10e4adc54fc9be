"""The content of a report cleaned: Clean Structured Content Option (PS3.15 E.3.7)."""

import re
from typing import Final

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicom_node.codes import OWN_SCHEME

REMOVED: Final = "REMOVED"
KEPT: Final = frozenset({BaseTag(0x0040A160)})
"""Text Value: `clean` drops the items in which it says more than it may."""

_SILENT: Final = frozenset({
    "CONTAINER", "CODE", "NUM", "SCOORD", "SCOORD3D", "UIDREF", "IMAGE", "COMPOSITE",
})  # fmt: skip
"""Value types without words of their own; TEXT is looked at, names and dates are dropped."""

_TEXTS: Final = frozenset({
    ("111001", "DCM"), ("111002", "DCM"), ("111003", "DCM"),  # algorithm: name, parameters, version
    ("112039", "DCM"),  # tracking identifier: the viewer's tool
    ("121013", "DCM"), ("121014", "DCM"), ("121015", "DCM"),  # device observer: name, maker, model
})  # fmt: skip
_COMMENT: Final = ("121106", "DCM")
_OWN_WORDS: Final = re.compile(
    r"AI [A-Za-z0-9 ,/()-]{1,80} \d{1,3}\.\d % (?:present|absent|undetermined)"
    r"|RESEARCH USE ONLY[A-Za-z ,.;:-]{0,120}"
)
"""What a viewer writes beside a rectangle, and the warning; other comments may quote a header."""

_CODED: Final = ("CodeValue", "LongCodeValue", "CodeMeaning")
_SCHEMED: Final = ("CodingSchemeDesignator", "CodingSchemeVersion")
_NO_SCHEME: Final = "99REMOVED"
_SCHEMES: Final = frozenset({
    "DCM", "SCT", "SRT", "SNM3", "UMLS", "RADLEX", "UCUM", "LN", "FMA", "NCIt", "RFC5646",
    "ISO639_1", OWN_SCHEME,
})  # fmt: skip
"""Coding schemes whose meanings are published; a site's own may mean anybody."""


def clean(item: Dataset, *, is_content: bool = False) -> None:
    """Drop from one data set what may name somebody; its own items are cleaned already.

    ``is_content``: it is an item of a report's content, where alone a text may stand.
    """
    if "TextValue" in item and not (is_content and item.get("ValueType") == "TEXT"):
        del item.TextValue
    if "ContentSequence" in item:
        item.ContentSequence = [child for child in item.ContentSequence if _is_silent(child)]
        if not item.ContentSequence:
            del item.ContentSequence
    coded = [keyword for keyword in (*_CODED, *_SCHEMED) if keyword in item]
    if coded and str(item.get("CodingSchemeDesignator")) not in _SCHEMES:
        for keyword in coded:
            delattr(item, keyword)  # the element is the source's too
            setattr(item, keyword, _NO_SCHEME if keyword in _SCHEMED else REMOVED)
        item.CodingSchemeDesignator = _NO_SCHEME


def _is_silent(child: Dataset) -> bool:
    kind = child.get("ValueType")
    if kind != "TEXT":
        return kind in _SILENT
    (name,) = child.get("ConceptNameCodeSequence") or [Dataset()]
    concept = (name.get("CodeValue"), name.get("CodingSchemeDesignator"))
    if concept == _COMMENT:
        return bool(_OWN_WORDS.fullmatch(str(child.get("TextValue", ""))))
    return concept in _TEXTS
