"""What `doctor` finds."""

import hashlib
from pathlib import Path

import pytest

from dicom_node.domain import StudyKind
from dicom_node.policy import DEFAULT_FILE
from dicom_node.policy import load as load_policy
from dicom_node.settings import ModelSettings, Settings
from dicom_node.supervision import checks
from dicom_node.supervision.checks import Outcome

SERVED = load_policy().models[StudyKind.CXR]


@pytest.mark.parametrize(
    ("card", "weights", "word"),
    [
        (None, None, "no model"),
        ("name = 'x'", None, "names no weights"),
        ("name = ", None, "names no weights"),
        ("[weights]\nfile = 'w.safetensors'\nsha256 = '{sha256}'", None, "missing"),
        ("[weights]\nfile = 'w.safetensors'\nsha256 = '{sha256}'", b"altered", "not the file"),
        ("[weights]\nfile = 'w.safetensors'\nsha256 = '{sha256}'", b"weights", "sha256"),
    ],
)
def test_weights(
    card: str | None,
    weights: bytes | None,
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "models" / "some"
    folder.mkdir(parents=True)
    if card is not None:
        sha256 = hashlib.sha256(b"weights").hexdigest()
        (folder / "card.toml").write_text(card.format(sha256=sha256), encoding="utf-8")
    if weights is not None:
        (folder / "w.safetensors").write_bytes(weights)
    monkeypatch.setattr(checks, "CHECKOUT", tmp_path)
    (check,) = checks._weights(Settings())
    assert word in check.found
    assert check.outcome is (Outcome.OK if weights == b"weights" else Outcome.FAILED)
    assert bool(check.advice) is (check.outcome is not Outcome.OK)


def site(folder: Path, name: str, *, sound: bool) -> ModelSettings:
    (folder / name).mkdir()
    sha256 = hashlib.sha256(b"weights").hexdigest()
    (folder / name / "card.toml").write_text(
        f"[weights]\nfile = 'w'\nsha256 = '{sha256}'", encoding="utf-8"
    )
    (folder / name / "w").write_bytes(b"weights" if sound else b"altered")
    return ModelSettings(name=name, folder=folder / name, like="cxr")


def rules(folder: Path, *, served: str, shadow: str) -> Path:
    file = folder / "policy.toml"
    shipped = DEFAULT_FILE.read_text(encoding="utf-8").replace(f'"{SERVED}"', f'"{served}"')
    file.write_text(f'{shipped}\n[shadow]\nCXR = "{shadow}"\n', encoding="utf-8")
    return file


def outcomes(settings: Settings) -> dict[str, Outcome]:
    found = [*checks._site_models(settings), *checks._policy_models(settings)]
    assert all(bool(check.advice) is (check.outcome is not Outcome.OK) for check in found)
    return {check.name: check.outcome for check in found}


def test_models_of_the_site(tmp_path: Path) -> None:
    models = tuple(site(tmp_path, name, sound=name == "sound") for name in ("sound", "altered"))

    told = outcomes(
        Settings(models=models, policy=rules(tmp_path, served=SERVED, shadow="altered"))
    )

    assert told["model sound"] is Outcome.OK
    assert told["model altered"] is Outcome.WARNING
    assert told["shadow CXR"] is Outcome.OK
    assert told["served CXR"] is Outcome.OK


def test_served_model_of_the_site_that_is_altered_fails(tmp_path: Path) -> None:
    models = (site(tmp_path, "altered", sound=False),)

    told = outcomes(
        Settings(models=models, policy=rules(tmp_path, served="altered", shadow=SERVED))
    )

    assert told["model altered"] is Outcome.FAILED
    assert told["shadow CXR"] is Outcome.OK


def test_names_in_the_policy_that_nobody_has(tmp_path: Path) -> None:
    told = outcomes(Settings(policy=rules(tmp_path, served="nobody", shadow="nothing")))

    assert told["served CXR"] is Outcome.FAILED
    assert told["shadow CXR"] is Outcome.WARNING


def test_policy_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("no policy", encoding="utf-8")

    told = outcomes(Settings(policy=tmp_path / "policy.toml"))

    assert set(told.values()) == {Outcome.OK}


def test_viewer_that_is_missing_is_a_warning(tmp_path: Path) -> None:
    (check,) = checks._viewer(Settings(viewer=tmp_path))
    assert (check.outcome, check.advice) == (Outcome.WARNING, "run script/viewer")
    (tmp_path / "index.html").touch()
    (check,) = checks._viewer(Settings(viewer=tmp_path))
    assert check.outcome is Outcome.OK
