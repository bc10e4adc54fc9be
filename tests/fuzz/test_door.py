"""A short campaign on the wire; the long ones are told of in docs/network.md."""

from pathlib import Path

import pytest

from bench.fuzz.door import Campaign, drawn, pool_of
from tests.doors import Door

pytestmark = pytest.mark.node


def test_malformed_stores_end_nothing_and_leave_nobody_without_an_answer(tmp_path: Path) -> None:
    pool = pool_of(tmp_path / "seeds")
    assert drawn(3, 1, pool) == drawn(3, 1, pool)
    with Door.at(tmp_path / "home") as door:
        outcome = Campaign(door, 3, pool).run(96, 2)
    assert outcome.answers.total() == 96
    assert outcome.is_clean, outcome
    assert "0000, and the association lasts" in outcome.answers
    assert "C000, and the association lasts" in outcome.answers
