"""What a node reads with is in the trail, once for each change, and no secret with it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_node import policy
from dicom_node.domain import ModelIdentity, ServedModel, StudyKind
from dicom_node.ledger import AuditFilter, Ledger, open_ledger
from dicom_node.settings import Settings
from tests.ledgers import MODEL, OTHER_MODEL
from worker import inventory


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    yield opened
    opened.close()


def details(ledger: Ledger, action: str) -> list[str]:
    return [entry.detail for entry in ledger.audit.find(AuditFilter(action=action))[::-1]]


def served(identity: ModelIdentity) -> ServedModel:
    return ServedModel(StudyKind.CXR, identity, "{}", True, "", "cpu", datetime.now(UTC))


def test_a_policy_that_changed_is_written_down_once(ledger: Ledger, tmp_path: Path) -> None:
    shipped = policy.load()
    own = tmp_path / "policy.toml"
    own.write_text(
        policy.DEFAULT_FILE.read_text(encoding="utf-8").replace('version = "2"', 'version = "3"'),
        encoding="utf-8",
    )
    for rules in (shipped, shipped, policy.load(own), shipped):
        inventory.note_site(ledger.audit, Settings(), rules)
    told = details(ledger, "policy.use")
    assert [words.partition(",")[0] for words in told] == ["version 2", "version 3", "version 2"]
    assert shipped.hash in told[0]


def test_settings_that_changed_are_named_without_their_values(
    ledger: Ledger, tmp_path: Path
) -> None:
    secret = "postgresql://user:secret@host/name"
    token = tmp_path / "token"
    token.write_text("one", encoding="utf-8")
    for url in ("", secret, secret):
        chosen = Settings(database_url=url, internal_token_file=token)
        inventory.note_site(ledger.audit, chosen, policy.load())
    before, after = details(ledger, "settings.use")
    assert "database_url=" in after
    assert "database_url=" not in before
    assert "secret" not in after
    token.write_text("another", encoding="utf-8")
    inventory.note_site(ledger.audit, chosen, policy.load())
    assert details(ledger, "settings.use")[-1] != after


def test_settings_without_a_token_are_named_alone(ledger: Ledger, tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path, log_level="DEBUG")
    inventory.note_site(ledger.audit, chosen, policy.load())
    (told,) = details(ledger, "settings.use")
    assert {"home", "log_level"} <= set(told.split())
    assert "=" not in told


def test_settings_say_the_same_after_each_start(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one", encoding="utf-8")
    program = (
        "from dicom_node.settings import Settings; from worker.inventory import _fingerprint; "
        "print(_fingerprint(Settings()))"
    )
    destination = {"name": "pacs", "kind": "dimse", "objects": list("abcdefgh")}
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={
                "PYTHONHASHSEED": str(seed),
                "NODE_INTERNAL_TOKEN_FILE": str(tmp_path / "token"),
                "NODE_DESTINATIONS": json.dumps([destination]),
            },
            capture_output=True,
            encoding="utf-8",
            check=True,
            timeout=120,
        ).stdout
        for seed in (1, 2)
    }
    assert len(told) == 1


def test_a_model_that_changed_is_written_down_with_its_weights(ledger: Ledger) -> None:
    for identity in (MODEL, MODEL, OTHER_MODEL):
        inventory.note_models(ledger.audit, [served(identity)])
    told = details(ledger, "model.use")
    assert len(told) == 2
    assert MODEL.weights_sha256 in told[0]
    assert OTHER_MODEL.weights_sha256 in told[1]
