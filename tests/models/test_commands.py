"""``dicom-node models``, through its own command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from dicom_node.errors import SettingsError
from models.commands import app

runner = CliRunner()


@pytest.fixture(autouse=True)
def _logs_outlive_the_runner() -> Iterator[None]:
    """Undo the logging that a command sets up: the runner closes its standard error."""
    yield
    structlog.reset_defaults()


def test_train_without_data_says_what_to_set(tmp_path: Path) -> None:
    done = runner.invoke(app, ["train", "gate", "--data", str(tmp_path)])

    assert isinstance(done.exception, SettingsError)
    assert "NODE_DATA" in str(done.exception)


def test_evaluate_wants_a_name_or_all(tmp_path: Path) -> None:
    done = runner.invoke(app, ["evaluate", "--data", str(tmp_path)])

    assert isinstance(done.exception, SettingsError)
