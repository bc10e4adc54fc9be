"""What a terminal shows of a worklist item."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.cli import table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0.0 s"), (59.94, "59.9 s"), (60, "1 min"), (3599, "60 min"), (7200, "2.0 h")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert table.duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e7))
def test_duration_is_short_for_any_time(seconds: float) -> None:
    assert re.fullmatch(r"[\d.]{1,6} (s|min|h)", table.duration(seconds))
