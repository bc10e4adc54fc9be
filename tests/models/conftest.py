"""Fixtures of the models' tests."""

import pytest

from models import runtime


@pytest.fixture(scope="session", autouse=True)
def _leave_cores_to_others() -> None:
    """Use as many threads as the served models do: with more, a busy machine is far slower."""
    runtime.limit_threads()
