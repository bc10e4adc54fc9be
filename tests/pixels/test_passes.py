"""Several passes in one series: one is read, and the account names the others."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dicom_node import uids
from dicom_node.domain import Omission, StudyKind
from dicom_node.pixels.load import Loaded
from dicom_node.pixels.select import Selection, select
from tests.images import CORONAL, LIMITS, axial, loaded, series

_PLACES = range(0, 60, 5)
_COUNT = len(_PLACES)


def _taken(name: str, positions: Any, **marks: Any) -> list[Loaded]:
    """Build slices of one series; a mark that can be called is asked for each slice."""
    made = []
    for index, z in enumerate(positions):
        told = {word: mark(index) if callable(mark) else mark for word, mark in marks.items()}
        uid = uids.derive(name, str(index))
        made.append(loaded(axial(float(z), SOPInstanceUID=uid, **told)))
    return made


def _ct(instances: list[Loaded]) -> Selection:
    return select(StudyKind.CT, instances, LIMITS)


def _names(selection: Selection, **passes: list[Loaded]) -> Counter[str]:
    owner = {one.ref.sop_instance_uid: name for name, of in passes.items() for one in of}
    return Counter(owner[ref.sop_instance_uid] for s in selection.samples for ref in s.sources)


_APART: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
    ({"AcquisitionNumber": lambda i: 1 + i // 2}, {"AcquisitionNumber": lambda i: 7 + i // 2}),
    ({"AcquisitionNumber": lambda i: 1 + i}, {"AcquisitionNumber": lambda i: 13 + i}),
    ({"AcquisitionTime": "101500"}, {"AcquisitionTime": "101530"}),
    ({"AcquisitionTime": lambda i: f"{101500 + i / 8:.3f}"},
     {"AcquisitionTime": lambda i: f"{101530 + i / 8:.3f}"}),
    ({"AcquisitionDateTime": "20261121235959"}, {"AcquisitionDateTime": "20261122000030"}),
    ({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
    ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B31f"}),
    ({"KVP": "80"}, {"KVP": "140"}),
    ({"NominalPercentageOfCardiacPhase": 40.0}, {"NominalPercentageOfCardiacPhase": 75.0}),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
     {"ImageType": ["DERIVED", "PRIMARY", "AXIAL", "AVERAGE"]}),
]  # fmt: skip


@pytest.mark.parametrize("shift_mm", [0.0, 2.5])
@pytest.mark.parametrize(("one", "other"), _APART)
def test_passes_over_one_region_are_not_mixed(
    one: dict[str, Any], other: dict[str, Any], shift_mm: float
) -> None:
    first = _taken("first", _PLACES, **one)
    second = _taken("second", [z + shift_mm for z in _PLACES], **other)
    mixed = [*first, *second]
    Random(3).shuffle(mixed)
    selection = _ct(mixed)
    assert len(_names(selection, first=first, second=second)) == 1
    assert len(selection.samples[0].sources) == _COUNT
    assert Counter(why.code for why in selection.left.values()) == {
        Omission.OTHER_ACQUISITION: _COUNT
    }
    assert "2 passes over the same region" in " ".join(selection.samples[0].notes)


def test_passes_that_nothing_tells_apart_are_parted_by_turn() -> None:
    selection = _ct(_taken("a", _PLACES) + _taken("b", _PLACES))
    assert len(selection.samples[0].sources) == _COUNT
    assert len(selection.left) == _COUNT


def test_passes_images_on_the_spot_are_parted_by_time() -> None:
    """A table that waits at each place for two images: the first of each belong together."""
    first = _taken("first", _PLACES, AcquisitionNumber=lambda i: 1 + 2 * i)
    second = _taken("second", _PLACES, AcquisitionNumber=lambda i: 2 + 2 * i)
    assert len(_names(_ct(first + second), first=first, second=second)) == 1


_WHOLE: list[dict[str, Any]] = [
    {"AcquisitionNumber": lambda i: i},
    {"AcquisitionNumber": lambda i: 90 - i},
    {"AcquisitionNumber": lambda i: 1 + i // 2},
    {"AcquisitionNumber": lambda i: 1 + i // 6},
    {"AcquisitionTime": lambda i: f"{101500 + i / 10:.2f}"},
    {"AcquisitionTime": lambda i: f"{101500 + (i // 2 * 2 + (1 - i % 2)) / 10:.2f}"},
    {"InstanceNumber": lambda i: (7 * i) % _COUNT},
    {"KVP": lambda i: "120" if i < 6 else "100"},
    {"SliceThickness": lambda i: "5" if i % 2 else "4.999"},
    {"AcquisitionNumber": lambda i: 1 if i % 2 else None},
    {"AcquisitionNumber": lambda i: "1.5" if i == 3 else "2"},
]


@pytest.mark.parametrize("marks", _WHOLE)
def test_passes_one_sweep_stays_whole(marks: dict[str, Any]) -> None:
    slices = _taken("a", _PLACES)
    for index, one in enumerate(slices):
        for word, mark in marks.items():
            if mark(index) is not None:
                setattr(one.dataset, word, mark(index))
    selection = _ct(slices)
    assert len(selection.samples[0].sources) == _COUNT
    assert not selection.left


_TILTED = (1, 0, 0, 0, 0.9397, -0.3420)


@given(st.floats(-1e-4, 1e-4), st.floats(-1e-4, 1e-4), st.floats(0.001, 0.009), st.randoms())
@hypothesis_settings(max_examples=25)
def test_fields_rounding_parts_nothing(
    cosine: float, spacing: float, base: float, chance: Random
) -> None:
    slices = _taken("a", _PLACES)
    for one in slices:
        tilt = base + cosine * chance.random()
        one.dataset.ImageOrientationPatient = [1, 0, 0, 0, (1 - tilt**2) ** 0.5, tilt]
        one.dataset.PixelSpacing = [8 + spacing * chance.random(), 8 - spacing * chance.random()]
    assert len(_ct(slices).samples[0].sources) == _COUNT


def test_fields_another_field_of_view_is_named() -> None:
    wide = _taken("wide", _PLACES)
    narrow = _taken("narrow", range(2, 32, 5), PixelSpacing=[4.0, 4.0])
    turned = _taken("turned", range(3, 33, 5), ImageOrientationPatient=[-1, 0, 0, 0, -1, 0])
    selection = _ct(wide + narrow + turned)
    assert _names(selection, wide=wide, narrow=narrow, turned=turned) == {"wide": _COUNT}
    assert {why.code for why in selection.left.values()} == {Omission.OTHER_GEOMETRY}


def test_fields_one_absurd_position_is_one_slice_left_out() -> None:
    slices = _taken("a", _PLACES)
    astray = _taken("astray", [40_000.0])
    selection = _ct(slices + astray)
    assert [why.code for why in selection.left.values()] == [Omission.STRAY_POSITION]
    assert selection.samples[0].geometry.gaps == 0


def _hostile(kind: str, index: int) -> list[Loaded]:
    """Return a few instances such as a series holds beside its slices."""
    name = f"{kind} {index}"
    at = float(5 * index)
    changes: dict[str, dict[str, Any]] = {
        "repeated": {}, "no position": {"ImagePositionPatient": None},
        "scout": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        "coronal": {"ImageOrientationPatient": list(CORONAL)},
        "projection": {"ImageType": ["DERIVED", "SECONDARY", "MIP"]},
        "other matrix": {"PixelSpacing": [2.0, 2.0]},
        "other pass": {"AcquisitionNumber": 9}, "other series": {"SeriesInstanceUID": "1.2.9"},
        "capture": {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
    }  # fmt: skip
    made = loaded(axial(at, SOPInstanceUID=uids.derive(name), **changes[kind]))
    return [made]


_KINDS = (
    "repeated", "no position", "scout", "coronal", "projection", "other matrix", "other pass",
    "other series", "capture",
)  # fmt: skip


@given(
    st.lists(st.tuples(st.sampled_from(_KINDS), st.integers(0, 20)), max_size=30, unique=True),
    st.randoms(use_true_random=False),
)
@hypothesis_settings(max_examples=40)
def test_select_every_image_is_read_or_left_out(
    besides: list[tuple[str, int]], chance: Random
) -> None:
    instances = _taken("a", _PLACES, AcquisitionNumber=1)
    for kind, index in besides:
        instances += _hostile(kind, index)
    chance.shuffle(instances)
    selection = _ct(instances)
    read = {ref.sop_instance_uid for s in selection.samples for ref in s.sources}
    assert read | set(selection.left) == {one.ref.sop_instance_uid for one in instances}
    assert not read & set(selection.left)


@given(st.permutations(["a", "b", "c"]))
@hypothesis_settings(max_examples=6)
def test_select_values_that_break_ties_refuse_nothing(names: list[str]) -> None:
    parts = [series(_PLACES, name) for name in names]
    for word in ("SeriesNumber", "InstanceNumber", "AcquisitionNumber"):
        for one in parts[0]:
            one.dataset.add_new(word, "LO", "3.1 b")
    for one in parts[1]:
        one.dataset.add_new("WindowWidth", "LO", "wide")
        one.dataset.add_new("ConvolutionKernel", "UN", b"\xff\xfe")
    instances = [one for part in parts for one in part]
    assert len(_ct(instances).samples[0].sources) == _COUNT
