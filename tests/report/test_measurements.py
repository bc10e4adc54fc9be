"""Rectangles on images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.domain import Box, Presence
from dicom_node.errors import ReportError
from dicom_node.report.measurements import label, most_urgent_first, perimeter
from tests import builders

EDGE = st.integers(1, 5000)


@st.composite
def boxes_on_images(draw: st.DrawFn) -> tuple[Box, int, int]:
    rows, columns = draw(EDGE), draw(EDGE)
    left = draw(st.floats(0, columns - 0.5))
    top = draw(st.floats(0, rows - 0.5))
    right = draw(st.floats(left + 0.25, columns))
    bottom = draw(st.floats(top + 0.25, rows))
    return Box(left, top, right, bottom), rows, columns


@given(boxes_on_images())
def test_perimeter_any_box_is_closed_and_clockwise_inside(case: tuple[Box, int, int]) -> None:
    box, rows, columns = case

    points = perimeter(box, rows, columns)

    assert points.shape == (5, 2)
    assert (points[0] == points[4]).all()
    assert ((points >= 0) & (points <= [columns, rows])).all()
    # every side is horizontal or vertical, so the corners come in perimeter order
    assert (((points[1:] - points[:-1]) == 0).sum(axis=1) == 1).all()
    x, y = points.T
    area = ((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2
    assert area > 0, "clockwise, with y downwards"


@pytest.mark.parametrize(
    "box", [Box(-2, 0, 5, 5), Box(0, 0, 12, 5), Box(0, 0, 5, 23), Box(0, -9, 5, 5)]
)
def test_perimeter_box_outside_raises(box: Box) -> None:
    with pytest.raises(ReportError, match="leaves its image"):
        perimeter(box, 20, 10)


@pytest.mark.parametrize("box", [Box(5, 5, 5, 8), Box(6, 5, 5, 8), Box(10, 0, 10.5, 5)])
def test_perimeter_empty_box_raises(box: Box) -> None:
    with pytest.raises(ReportError, match="empty"):
        perimeter(box, 20, 10)


def test_perimeter_box_within_a_pixel_is_clipped() -> None:
    assert perimeter(Box(-0.4, 0, 10.6, 20), 20, 10).tolist()[1] == [10, 0]


@given(st.lists(st.sampled_from(Presence), max_size=8))
def test_most_urgent_first_is_stable_and_loses_nothing(presences: list[Presence]) -> None:
    where = builders.region(builders.Film().build())
    found = [
        builders.finding("covid19", index / 10, presence, where)
        for index, presence in enumerate(presences)
    ]

    ordered = most_urgent_first(found)

    assert sorted(ordered, key=lambda f: f.probability) == found
    for presence in Presence:
        assert [f for f in ordered if f.presence is presence] == [
            f for f in found if f.presence is presence
        ]
    ranks = [["present", "undetermined", "absent"].index(f.presence) for f in ordered]
    assert ranks == sorted(ranks)


@given(st.floats(0, 1), st.sampled_from(Presence))
def test_label_says_class_percentage_and_presence(probability: float, presence: Presence) -> None:
    where = builders.region(builders.Film().build())
    text = label(builders.finding("viral_pneumonia", probability, presence, where))
    assert text == f"AI Viral pneumonia {100 * probability:.1f} % {presence.value}"
