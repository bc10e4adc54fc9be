"""A damaged ledger says which file it is, and what to do."""

from pathlib import Path

import pytest

from dicom_node.errors import LedgerDamaged
from dicom_node.ledger import open_ledger
from dicom_node.settings import Settings
from dicom_node.supervision import checks
from dicom_node.supervision.checks import Outcome
from tests.ledgers import report


@pytest.fixture(params=["torn", "no database"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a ledger whose pages were overwritten, or all of it."""
    path = tmp_path / "ledger.sqlite3"
    ledger = open_ledger(f"sqlite:///{path}")
    report(ledger)
    ledger.close()
    content = bytearray(path.read_bytes())
    first = 100 if request.param == "torn" else 0
    content[first:] = b"\x5a" * (len(content) - first)
    path.write_bytes(content)
    return path


def test_opening_it_names_the_file_and_the_way_back(file: Path) -> None:
    with pytest.raises(LedgerDamaged) as caught:
        open_ledger(f"sqlite:///{file}")
    assert str(file) in str(caught.value)
    assert "put a backup in their place" in str(caught.value)


def test_doctor_names_it_too(file: Path, tmp_path: Path) -> None:
    found = {check.name: check for check in checks.run(Settings(home=tmp_path))}
    assert found["ledger"].outcome is Outcome.FAILED
    assert str(file) in found["ledger"].found
    assert "NODE_BACKLOG" in found["ledger"].advice
