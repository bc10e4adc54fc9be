"""``dicom-node models compare`` on a ledger."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dicom_node.domain import Assessment, ShadowReading, ShadowState
from dicom_node.ledger import Ledger, open_ledger
from tests.ledgers import MODEL, OTHER_MODEL, Clock, objects, report, shadowed
from worker.compare import compare

app = typer.Typer()
app.command()(compare)


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("NODE_HOME", str(tmp_path))
    return open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")


def told(*arguments: str) -> Any:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0
    return json.loads(done.stdout)["comparisons"]


def read_by_both(ledger: Ledger, uid: str, reading: ShadowReading) -> None:
    claim = report(ledger, uid=uid)
    ledger.shadows.start(claim.run_id, reading.model)
    ledger.shadows.end(claim.run_id, reading)


def test_compare_without_a_shadow_says_what_to_do(ledger: Ledger) -> None:
    report(ledger)

    assert told() == []
    assert "[shadow]" in CliRunner().invoke(app, []).stdout


def test_compare_gives_the_figures(ledger: Ledger) -> None:
    read_by_both(ledger, "1.2.1", shadowed(covid19=0.9, elapsed_ms=20))
    read_by_both(ledger, "1.2.2", shadowed(covid19=0.1, elapsed_ms=40))
    read_by_both(ledger, "1.2.3", ShadowReading(OTHER_MODEL, ShadowState.FAILED, error="it burst"))
    verdict = Assessment(
        "accept", None, "", "reader", objects("1")[0][1].sop_instance_uid, Clock()()
    )
    ledger.assessments.add("1.2.2", verdict)
    (found,) = told()

    assert found["kind"] == "CXR"
    assert (found["served"]["version"], found["shadow"]["version"]) == ("1.0.0", "2.0.0")
    assert found["n"] == 2
    assert found["failed"] == {"it burst": 1}
    assert found["top"]["count"] == 1
    assert found["median_ms"] == 30
    assert found["largest"][0]["study_instance_uid"] == "1.2.2"
    assert found["assessed"]["served_only"] == 1
    assert {f["label"] for f in found["findings"]} == {"covid19", "normal"}


def test_compare_prints_it_for_people(ledger: Ledger) -> None:
    read_by_both(ledger, "1.2.1", shadowed(covid19=0.9))
    read_by_both(ledger, "1.2.2", shadowed(covid19=0.1))
    read_by_both(ledger, "1.2.3", ShadowReading(OTHER_MODEL, ShadowState.FAILED, error="it burst"))
    text = CliRunner().invoke(app, []).stdout

    assert f"{MODEL.name} {MODEL.version}" in text
    assert "2 studies read by both" in text
    assert "1 failed: it burst" in text
    assert "same top finding: 1 of 2" in text
    assert "1.2.2" in text


def test_compare_of_one_kind(ledger: Ledger) -> None:
    read_by_both(ledger, "1.2.1", shadowed())

    assert len(told("--kind", "CXR")) == 1
    assert told("--kind", "CT") == []
