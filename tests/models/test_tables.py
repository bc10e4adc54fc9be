"""The numbers of a report: parts, confusion, curves, calibration and groups."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from dicom_node.errors import ModelError
from models.card import Label
from models.training import metrics, report, tables
from models.training.manifest import Item
from models.training.report import Attribute, Part
from tests.report_parts import LABELS, part, parts


@pytest.fixture(scope="module", autouse=True)
def _few_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BOOTSTRAPS", 4)
        yield


@given(parts())
@settings(max_examples=60)
def test_confusion_counts_each_image_once(shown: Part) -> None:
    rows = tables.confusion(shown)

    assert sum(row.n for row in rows) == len(shown)
    assert all(row.n == sum(cell.count for cell in row.cells) for row in rows)
    right = sum(cell.count for row in rows for cell in row.cells if cell.right)
    assert right == int((shown.known & (shown.said == shown.truth)).sum())
    assert right + int(shown.wrong.sum()) <= len(shown)


@given(parts())
@settings(max_examples=60)
def test_reliability_bins_add_up_to_the_calibration_error(shown: Part) -> None:
    known = shown.where(shown.known)
    bins = tables.reliability(known.probabilities, known.truth)
    error = tables.calibration_error(shown)

    assert sum(one.n for one in bins) == len(known)
    if error is not None:
        gaps = [
            one.n * abs(one.confidence - one.right)
            for one in bins
            if one.confidence is not None and one.right is not None
        ]
        assert error.value == pytest.approx(sum(gaps) / len(known), abs=1e-4)


def test_an_image_of_unknown_class_counts_where_its_class_is_ruled_out() -> None:
    open_to = np.array([[True, False], [False, True], [False, True]])
    shown = part([0, -1, -1], [[0.9, 0.1], [0.3, 0.7], [0.8, 0.2]], allowed=open_to)

    normal, pneumonia = tables.by_class(shown)

    assert (normal.positives, normal.negatives) == (1, 2)
    assert normal.curves is not None
    assert normal.curves.auc is not None
    assert normal.curves.auc.value == 1.0
    assert (pneumonia.positives, pneumonia.negatives) == (0, 1)
    assert pneumonia.curves is None
    assert pneumonia.recall is None
    assert shown.wrong.tolist() == [False, False, True]


def test_part_of_items_takes_labels_patients_and_groups_from_the_manifest() -> None:
    def item(number: int, label: str, *, adult: bool) -> Item:
        return Item(
            f"cxr-{number}", Path("x"), label, "test", "core", "NIH", adult, "PA", f"p{number}", ""
        )

    items = [
        item(1, "covid19", adult=True),
        item(2, "pneumonia_unspecified", adult=False),
        item(3, "effusion", adult=True),
    ]
    p = np.full((3, 4), 0.25, dtype=np.float32)

    found = report.part_of(
        "core test", LABELS, items, p, means={"pneumonia_unspecified": LABELS[1:]}
    )

    assert found.truth.tolist() == [3, -1, -1]
    assert found.ids.tolist() == ["cxr-1", "cxr-2", "cxr-3"]
    assert found.wrong.tolist() == [True, True, False]
    assert found.against_rest(0).ids.tolist() == ["cxr-1", "cxr-2"]
    assert [one.values.tolist() for one in found.attributes] == [
        ["adult", "child", "adult"],
        ["NIH"] * 3,
        ["PA"] * 3,
    ]


def test_at_points_tells_what_the_threshold_does() -> None:
    shown = part([0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.1, 0.9]])
    point = Label(label="normal", threshold=0.5, absent_below=0.3, present_from=0.8)

    (row,) = tables.at_points(shown, [point])

    assert row.sensitivity is not None
    assert row.specificity is not None
    assert (row.sensitivity.value, row.specificity.value, row.undetermined) == (0.5, 0.5, 0.5)


def test_splits_leave_out_what_is_the_same_everywhere() -> None:
    shown = part(
        [0, 1, 1],
        [[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]],
        attributes=(
            Attribute("view", np.array(["AP", "AP", "AP"])),
            Attribute("population", np.array(["child", "adult", "adult"])),
        ),
    )

    (split,) = tables.splits(shown)

    assert split.name == "population"
    assert [(row.value, row.n) for row in split.rows] == [("adult", 2), ("child", 1)]
    assert split.rows[0].accuracy is not None
    assert split.rows[0].accuracy.value == 0.5
    assert split.rows[1].recalls[1] is None


@pytest.mark.parametrize(
    ("truth", "p", "fault"),
    [
        ([0], [[0.5, 0.5], [0.5, 0.5]], "has 1 rows"),
        ([2], [[0.5, 0.5]], "outside its 2 labels"),
        ([0], [[float("nan"), 0.5]], "not finite"),
    ],
)
def test_part_that_cannot_be_is_refused(truth: list[int], p: list[list[float]], fault: str) -> None:
    with pytest.raises(ModelError, match=fault):
        part(truth, p)
