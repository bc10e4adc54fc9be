"""``dicom-node audit`` and ``dicom-node certificates``, through the command line."""

import json
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree
from sqlalchemy import text
from typer.testing import CliRunner, Result

from dicom_node.cli.app import app
from dicom_node.ledger import Ledger, open_ledger
from tests.collectors import GRAMMAR
from tests.ledgers import STUDY, report


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Return the ledger of a home that the commands use too, with one reported study."""
    monkeypatch.setenv("NODE_HOME", str(tmp_path))
    monkeypatch.delenv("NODE_DATABASE_URL", raising=False)
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    report(opened)
    opened.audit.append("dr.who [red]\x1b[31m", "login", detail="from 10.0.0.7")
    yield opened
    opened.close()


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def test_trail_is_shown_newest_first_and_the_reading_of_it_is_kept(ledger: Ledger) -> None:
    shown = json.loads(run("audit", "--json").stdout)
    assert [entry["action"] for entry in shown] == ["login", "run.reported", "run.request"]
    assert ledger.audit.entries()[0].action == "audit.read"
    assert ledger.audit.entries()[0].actor.endswith("(command line)")


@pytest.mark.parametrize(
    ("option", "value", "count"),
    [
        ("--study", STUDY, 2),
        ("--action", "login", 1),
        ("--actor", "worker-1", 1),
        ("--limit", "1", 1),
        ("--since", "2999-01-01", 0),
        ("--since", "2020-01-01T00:00:00", 3),
    ],
)
def test_trail_can_be_asked(ledger: Ledger, option: str, value: str, count: int) -> None:
    assert ledger.audit.head()[0] == 3
    assert len(json.loads(run("audit", option, value, "--json").stdout)) == count


def test_a_hostile_name_stays_text_on_the_screen(ledger: Ledger) -> None:
    assert ledger.audit.head()[0] == 3
    told = run("audit").stdout
    assert "dr.who [red]" in told
    assert "\x1b[31m" not in told


def test_verify_names_the_head_and_then_the_row_that_was_changed(ledger: Ledger) -> None:
    told = run("audit", "verify").stdout
    head = f"{ledger.audit.head()[0]}:{ledger.audit.head()[1]}"
    assert told.splitlines() == ["3 entries, unbroken", f"head {head}"]
    run("audit", "verify", "--head", head)
    result = run("audit", "verify", "--head", f"2:{'0' * 64}", code=1)
    assert "entry 2 does not fit" in result.stderr
    with ledger.database.exclusive() as connection:
        connection.execute(text("DROP TRIGGER audit_write_once_update"))
        connection.execute(text("UPDATE audit SET actor = 'nobody' WHERE audit_id = 2"))
    result = run("audit", "verify", code=1)
    assert "entry 2 does not fit: its content was changed" in result.stderr
    broken = json.loads(run("audit", "verify", "--json", code=1).stdout)
    assert broken["fault"]["audit_id"] == 2


def test_export_as_json_and_as_dicom(ledger: Ledger, tmp_path: Path) -> None:
    lines = run("audit", "export", "--format", "json").stdout.splitlines()
    assert [json.loads(line)["audit_id"] for line in lines] == [1, 2, 3]
    assert json.loads(lines[1])["hash"] == ledger.audit.entries()[-2].hash
    file = tmp_path / "trail.xml"
    run("audit", "export", "--format", "dicom", "--output", str(file), "--study", STUDY)
    messages = file.read_text(encoding="utf-8").splitlines()
    assert len(messages) == 2
    for message in messages:
        GRAMMAR.assertValid(etree.fromstring(message))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    run("audit", "export", "--format", "json", "--output", str(file), code=1)


def test_certificates_for_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "certificates"
    told = run("certificates", str(folder), "--peer", "ct-1.example").stdout
    assert f"NODE_DICOM_TLS_KEY_FILE={folder / 'node.key'}" in told
    first = (folder / "node.crt").read_bytes()
    run("certificates", str(folder), "--peer", "ct-2.example", "--name", "node.example")
    assert (folder / "node.crt").read_bytes() == first
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in folder.iterdir())
    for name in ("node", "ct-1.example", "ct-2.example"):
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    run("certificates", str(folder), "--peer", "../elsewhere", code=1)


@pytest.mark.parametrize("title", ["CT-1", "US_ROOM.3"])
def test_certificate_of_a_modality_holds_its_title_with_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    monkeypatch.setenv("NODE_HOME", str(tmp_path / "home"))
    run("certificates", str(tmp_path / "tls"), "--peer", title)
    file = tmp_path / "tls" / f"{title}.crt"
    made = x509.load_pem_x509_certificate(file.read_bytes())
    (name,) = made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == title


@pytest.mark.parametrize("name", ["ca", "node", "CA", "../up", "a b", "", "x" * 64, "fe80::1%/x"])
def test_peer_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("NODE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "certificates"
    run("certificates", str(folder), "--peer", "ct-1.example", "--peer", name, code=1)
    assert not folder.exists()


@pytest.mark.parametrize("machine", ["under_score", "-", "x" * 64, "xn--a"])
def test_machine_without_a_host_name_gets_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    monkeypatch.setenv("NODE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    run("certificates", str(tmp_path / "certificates"))
    assert (tmp_path / "certificates" / "node.crt").exists()
