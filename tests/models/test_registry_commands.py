"""``dicom-node models list``, ``show`` and ``verify``, through their own command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from dicom_node import policy
from dicom_node.domain import StudyKind
from dicom_node.errors import ModelNotFound
from models import registry
from models.commands import app
from models.registry import MODELS
from models.served import GOLDEN_FILE
from tests.model_inputs import copied

runner = CliRunner()
SERVED = policy.load().models[StudyKind.CXR]


@pytest.fixture(autouse=True)
def _logs_outlive_the_runner() -> Iterator[None]:
    """Undo the logging that a command sets up: the runner closes its standard error."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Register two models of the site's own, one of them in the shadow; return NODE_HOME."""
    for name in ("ours", "older"):
        copied(registry.entry(SERVED), tmp_path / name)
    rows = [{"name": f"{n}-cxr", "folder": n, "like": SERVED} for n in ("ours", "older")]
    file = tmp_path / "policy.toml"
    file.write_text(
        policy.DEFAULT_FILE.read_text(encoding="utf-8") + '\n[shadow]\nCXR = "ours-cxr"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("NODE_HOME", str(tmp_path))
    monkeypatch.setenv("NODE_POLICY", str(file))
    monkeypatch.setenv("NODE_MODELS", json.dumps(rows))
    return tmp_path


def listed() -> dict[str, Any]:
    told = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    return {model["name"]: model for model in told["models"]}


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
    (copy.folder / GOLDEN_FILE).write_text("{}", encoding="utf-8")
    monkeypatch.setattr(registry, "MODELS", {**MODELS, "gate": copy})

    done = runner.invoke(app, ["verify", "--json"])

    told = {row["name"]: row["ok"] for row in json.loads(done.stdout)["models"]}
    assert done.exit_code == 1
    assert told == {name: name != "gate" for name in MODELS}


def test_list_tells_served_shadow_and_registered(site: Path) -> None:
    del site
    told = {name: model["state"] for name, model in listed().items()}

    assert told == {
        **dict.fromkeys(policy.load().models.values(), "served"),
        "gate": "served",
        "cxr-lungs": "served",
        "ours-cxr": "shadow",
        "older-cxr": "registered",
    }


def test_list_tells_a_card_that_cannot_be_read_beside_the_others(site: Path) -> None:
    (site / "older" / "card.toml").write_text("no card", encoding="utf-8")

    assert "cannot be read" in listed()["older-cxr"]["fault"]
    assert listed()["ours-cxr"]["state"] == "shadow"
    assert "broken" in runner.invoke(app, ["list"]).stdout


def test_list_tells_what_cannot_be_registered(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": "ours-cxr", "folder": str(site), "like": "shell"}]
    monkeypatch.setenv("NODE_MODELS", json.dumps(rows))

    plain, as_json = runner.invoke(app, ["list"]), runner.invoke(app, ["list", "--json"])

    assert "is like shell, which is no shipped model" in plain.stdout
    assert "is like shell" in json.loads(as_json.stdout)["faults"][0]


def test_list_gives_each_model_its_key_figure() -> None:
    first = registry.entry(SERVED).card().figures[0]

    assert f"{first.name}, {first.on}: {first.value:.3f}" in runner.invoke(app, ["list"]).stdout


def test_show_a_site_model_goes_by_its_own_name(site: Path) -> None:
    del site
    done = runner.invoke(app, ["show", "ours-cxr"])

    assert done.exit_code == 0
    assert "ours-cxr" in done.stdout
    assert "shadow" in done.stdout


def test_verify_one_model_looks_at_no_other(site: Path) -> None:
    (site / "older" / "weights.safetensors").write_bytes(b"other weights")

    sound = runner.invoke(app, ["verify", "ours-cxr"])
    damaged = runner.invoke(app, ["verify", "older-cxr"])

    assert (sound.exit_code, sound.stdout.strip()) == (0, "ours-cxr: ok")
    assert damaged.exit_code == 1
    assert "the card says" in damaged.stdout


def test_verify_unknown_model_raises_with_the_known_names() -> None:
    done = runner.invoke(app, ["verify", "chexnet"])

    assert isinstance(done.exception, ModelNotFound)
