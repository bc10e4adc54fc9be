"""What `doctor` finds."""

import hashlib
from pathlib import Path

import pytest

from dicom_node.settings import Settings
from dicom_node.supervision import checks
from dicom_node.supervision.checks import Outcome


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
        (folder / "card.toml").write_text(card.format(sha256=sha256))
    if weights is not None:
        (folder / "w.safetensors").write_bytes(weights)
    monkeypatch.setattr(checks, "CHECKOUT", tmp_path)
    (check,) = checks._weights(Settings())
    assert word in check.found
    assert check.outcome is (Outcome.OK if weights == b"weights" else Outcome.FAILED)
    assert bool(check.advice) is (check.outcome is not Outcome.OK)
