"""``dicom-node models``, through its own command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from dicom_node.errors import ModelNotFound, SettingsError
from models import registry
from models.commands import app
from models.registry import MODELS
from models.served import GOLDEN_FILE
from tests.model_inputs import copied

runner = CliRunner()


@pytest.fixture(autouse=True)
def _logs_outlive_the_runner() -> Iterator[None]:
    """Undo the logging that a command sets up: the runner closes its standard error."""
    yield
    structlog.reset_defaults()


def test_list_names_every_model() -> None:
    done = runner.invoke(app, ["list"])

    assert done.exit_code == 0
    assert all(name in done.stdout for name in MODELS)


def test_list_as_json_gives_the_cards() -> None:
    done = runner.invoke(app, ["list", "--json"])

    assert [card["name"] for card in json.loads(done.stdout)["models"]] == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_show_prints_limits_and_figures(name: str) -> None:
    card = registry.entry(name).card()

    plain = runner.invoke(app, ["show", name])
    as_json = runner.invoke(app, ["show", name, "--json"])

    assert plain.exit_code == 0
    assert card.limits[0][:30] in plain.stdout
    assert json.loads(as_json.stdout)["weights"]["sha256"] == card.weights.sha256


def test_show_unknown_model_raises_with_the_known_names() -> None:
    done = runner.invoke(app, ["show", "chexnet"])

    assert isinstance(done.exception, ModelNotFound)


def test_verify_tells_a_damaged_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    copy = copied(registry.entry("gate"), tmp_path / "gate")
    (copy.folder / GOLDEN_FILE).write_text("{}")
    monkeypatch.setattr(registry, "MODELS", {**MODELS, "gate": copy})

    done = runner.invoke(app, ["verify", "--json"])

    told = {row["name"]: row["ok"] for row in json.loads(done.stdout)["models"]}
    assert done.exit_code == 1
    assert told == {"cxr-mobilenet": True, "ct-mobilenet": True, "gate": False}


def test_train_without_data_says_what_to_set(tmp_path: Path) -> None:
    done = runner.invoke(app, ["train", "gate", "--data", str(tmp_path)])

    assert isinstance(done.exception, SettingsError)
    assert "NODE_DATA" in str(done.exception)


def test_evaluate_wants_a_name_or_all(tmp_path: Path) -> None:
    done = runner.invoke(app, ["evaluate", "--data", str(tmp_path)])

    assert isinstance(done.exception, SettingsError)
