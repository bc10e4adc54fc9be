"""The commands as a shell sees them: exit code, standard output, one line of error."""

import json
import socket
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner, Result

from dicom_node.cli.app import app
from dicom_node.domain import Priority
from dicom_node.ledger import open_ledger
from tests.ledgers import STUDY, report, start
from tests.nodes import free_port

COMMANDS = ("up", "down", "status", "doctor", "send", "worklist", "show", "retry", "demo")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the commands at a node of their own that does not run."""
    monkeypatch.setenv("NODE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NODE_HTTP_PORT", str(free_port()))
    monkeypatch.setenv("NODE_DICOM_PORT", str(free_port()))
    for name in ("NODE_DATABASE_URL", "NODE_REDIS_URL", "NODE_ORTHANC_URL", "NODE_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def run(*arguments: str) -> Result:
    """Run one command in this process."""
    return CliRunner().invoke(app, arguments)


def one_error_line(result: Result) -> str:
    """Return the error, which is one line without a traceback."""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("dicom-node: ")
    return line


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_no_command_shows_the_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert "Research use only" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("show",),
        ("send",),
        ("send", "/does/not/exist"),
        ("retry",),
        ("retry", "run-1", "--failed"),
        ("demo", "--input", "/does/not/exist"),
    ],
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...], home: Path) -> None:
    assert run(*arguments).exit_code == 2
    assert not home.exists()


def test_status_of_a_node_that_is_down(home: Path) -> None:
    result = run("status", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told == {
        "home": str(home),
        "ready": False,
        "message": "the node is down",
        "parts": [],
        "outbox": {"files": 0},
        "health": None,
    }
    assert run("status").exit_code == 1
    assert not home.exists()
    (home / "outbox").mkdir(parents=True)
    (home / "outbox" / "2.25.1.dcm").write_bytes(b"a report that was left behind")
    assert json.loads(run("status", "--json").stdout)["outbox"] == {"files": 1}


def test_down_of_a_node_that_is_down_is_fine(home: Path) -> None:
    result = run("down")
    assert result.exit_code == 0
    assert str(home) in result.stdout


def test_up_with_a_taken_port_says_who_has_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("NODE_HTTP_PORT", str(server.getsockname()[1]))
        result = run("up", "--detach")
    assert result.exit_code == 1
    assert "is taken by" in one_error_line(result)
    assert not (home / "supervisord.conf").exists()


@pytest.mark.parametrize("command", ["up", "status", "worklist", "doctor"])
def test_settings_errors_list_every_fault(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_HTTP_PORT", "99999")
    monkeypatch.setenv("NODE_DEVICE", "abacus")
    result = run(command)
    assert result.exit_code == 1
    line = one_error_line(result)
    assert "NODE_HTTP_PORT" in line
    assert "NODE_DEVICE" in line
    assert not home.exists()


def test_up_with_a_broken_policy_starts_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("version = 1", encoding="utf-8")
    monkeypatch.setenv("NODE_POLICY", str(policy))
    result = run("up", "--detach")
    assert result.exit_code == 1
    assert str(policy) in one_error_line(result)
    assert not home.exists()


def test_doctor_json_names_each_check(home: Path) -> None:
    result = run("doctor", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == (0 if told["sound"] else 1)
    checks = {check["name"]: check for check in told["checks"]}
    assert {"python", "Orthanc", "redis-server", "policy", "NODE_HOME", "disk", "HTTP port"} <= (
        checks.keys()
    )
    assert all(c["advice"] for c in checks.values() if c["outcome"] != "ok")
    assert checks["HTTP port"]["outcome"] == "ok"
    assert not home.exists()


def test_doctor_finds_a_taken_port(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("NODE_DICOM_PORT", str(server.getsockname()[1]))
        result = run("doctor", "--json")
    assert result.exit_code == 1
    (check,) = (c for c in json.loads(result.stdout)["checks"] if c["name"] == "DICOM port")
    assert check["outcome"] == "failed"
    assert "NODE_DICOM_PORT=" in check["advice"]
    assert not home.exists()


@pytest.mark.filterwarnings(  # pynetdicom drops the socket of a refused connection unclosed
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)
def test_send_to_nobody_fails(home: Path) -> None:
    file = get_testdata_file("CT_small.dcm")
    result = run("send", str(file))
    assert result.exit_code == 1
    assert "AITRIAGE at 127.0.0.1" in one_error_line(result)
    assert not home.exists()


def test_send_of_an_empty_folder_fails(home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("send", str(empty))
    assert result.exit_code == 1
    assert "no file" in one_error_line(result)
    assert not home.exists()


def test_worklist_and_show_print_the_same_item(home: Path) -> None:
    ledger = open_ledger(f"sqlite:///{home}/ledger.sqlite3")
    report(ledger)
    ledger.close()
    told = json.loads(run("worklist", "--json").stdout)
    (item,) = told["items"]
    assert told["generated_at"]
    shown = json.loads(run("show", STUDY, "--json").stdout)
    assert item["state"] == "REPORTED"
    assert {key: shown[key] for key in item if key != "wait_s"} == {
        key: item[key] for key in item if key != "wait_s"
    }
    assert {"runs", "reports", "heatmaps", "timings"} <= shown.keys()
    for text in (run("worklist").stdout, run("show", STUDY).stdout):
        assert "covid19 87%" in text
        assert "STAT" in text


def test_worklist_is_in_reading_order(home: Path) -> None:
    ledger = open_ledger(f"sqlite:///{home}/ledger.sqlite3")
    for number, priority in enumerate((Priority.LOW, Priority.STAT, Priority.ROUTINE)):
        report(ledger, f"images-{number}", f"{STUDY}.{number}", priority)
    ledger.close()
    items = json.loads(run("worklist", "--json").stdout)["items"]
    assert [item["priority"] for item in items] == ["STAT", "ROUTINE", "LOW"]


def test_show_of_an_unknown_study_fails(home: Path) -> None:
    result = run("show", "1.2.3")
    assert result.exit_code == 1
    assert "1.2.3" in one_error_line(result)
    assert home.exists()


def test_retry_of_an_unknown_run_fails(home: Path) -> None:
    result = run("retry", "no-such-run")
    assert result.exit_code == 1
    assert "no such run" in one_error_line(result)
    assert home.exists()


def test_retry_of_nothing_says_so(home: Path) -> None:
    result = run("retry", "--failed")
    assert result.exit_code == 0
    assert "nothing has failed" in result.stdout
    assert json.loads(run("retry", "--failed", "--json").stdout) == {"runs": [], "errors": []}
    assert home.exists()


def test_retry_while_the_archive_is_down_says_which_study(home: Path) -> None:
    ledger = open_ledger(f"sqlite:///{home}/ledger.sqlite3")
    claim = start(ledger)
    ledger.close()
    result = run("retry", claim.run_id)
    assert result.exit_code == 1
    assert STUDY in result.stderr
