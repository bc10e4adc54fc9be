"""What an instance is follows from the instance, whatever came first into its series."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_node.archive.modalities import grouped, of_class

_ROOT = "1.2.840.10008.5.1.4.1.1."
_FILM, _STATE, _REPORT, _SLICE = (_ROOT + tail for tail in ("1", "11.1", "88.33", "2"))


def _entries(*classes: str) -> list[dict[str, Any]]:
    return [{"ID": str(i), "Metadata": {"SopClassUid": c}} for i, c in enumerate(classes)]


def _silent(_: object) -> str:
    return ""


@pytest.mark.parametrize(
    ("sop_class", "modality"),
    [
        (_ROOT + "1.1", "DX"), (_ROOT + "1.1.1", "DX"), (_ROOT + "1.2", ""), (_ROOT + "2.1", "CT"),
        (_ROOT + "11.8", "PR"), (_ROOT + "88.59", "KO"), (_ROOT + "88.34", "SR"),
        (_ROOT + "66.4", "SEG"), (_ROOT + "104.1", "DOC"), (_ROOT + "4", ""),
        ("1.2.3", ""), ("", ""),
    ],
)  # fmt: skip
def test_of_class_tells_what_it_stands_for(sop_class: str, modality: str) -> None:
    assert of_class(sop_class) == modality


@pytest.mark.parametrize("first", ["PR", "CR", "SR"])
@given(st.permutations([_FILM, _STATE, _REPORT, _FILM]))
def test_grouped_order_of_arrival_does_not_matter(first: str, arrived: list[str]) -> None:
    parts = grouped(first, _entries(*arrived), _silent)
    assert {modality: len(members) for modality, members in parts.items()} == {
        "CR": 2, "PR": 1, "SR": 1,
    }  # fmt: skip


def test_grouped_header_speaks_before_the_class() -> None:
    parts = grouped("PR", _entries(_STATE, _FILM), lambda e: {"0": "PR", "1": "DX"}[e["ID"]])
    assert sorted(parts) == ["DX", "PR"]


def test_grouped_secondary_captures_are_asked_each() -> None:
    own = {"0": "OT", "1": "CR"}
    captures = _entries(SecondaryCaptureImageStorage, SecondaryCaptureImageStorage)
    assert sorted(grouped("OT", captures, lambda e: own[e["ID"]])) == ["CR", "OT"]


def test_grouped_one_class_is_what_its_series_says() -> None:
    def never(entry: object) -> str:
        raise AssertionError(entry)

    assert list(grouped("CT", _entries(*[_SLICE] * 5), never)) == ["CT"]
