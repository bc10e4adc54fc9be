"""Fixtures that every test folder may use."""

import os
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest

from dicom_node import settings

hypothesis.settings.register_profile("node", deadline=None)  # speed is measured in bench/
hypothesis.settings.load_profile("node")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of the research images; fails in CI, skips elsewhere, if missing."""
    folder = settings.load().data.resolve()
    if not folder.is_dir():
        missing_tool(f"no research images at {folder}; set NODE_DATA")
    return folder


def missing_tool(reason: str) -> NoReturn:
    """Fail in CI, skip elsewhere: a missing tool must never look like a passed test."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
