"""``dicom-node users``: real commands on a real ledger."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dicom_node.access.passwords import Passwords
from dicom_node.audit.events import SECURITY_ALERT, event_of
from dicom_node.cli.app import app
from dicom_node.cli.queries import operator
from dicom_node.domain import Role
from dicom_node.ledger import Lifetime, open_ledger
from dicom_node.settings import load


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NODE_HOME", str(tmp_path))
    return tmp_path


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["users", *arguments], input=typed)


def add(name: str, role: Role, password: str = "long enough for all") -> None:
    told = run("add", name, "--role", role.value, "--password-file", "-", typed=f"{password}\n")
    assert told.exit_code == 0, told.output


def listed() -> dict[str, dict[str, object]]:
    return {user["name"]: user for user in json.loads(run("list", "--json").stdout)["users"]}


def test_user_is_added_with_a_password_from_standard_input() -> None:
    add("Ada", Role.OPERATOR)
    assert (listed()["ada"]["role"], listed()["ada"]["disabled"]) == ("operator", False)
    with closing(open_ledger(load().database)) as ledger:
        user = ledger.users.get("ada")
        assert user is not None
        assert Passwords().fits("long enough for all", user.password_hash)
        (entry,) = ledger.audit.entries()
    assert (entry.action, entry.detail) == ("user.add", "ada as operator")
    assert entry.actor == operator()


def test_password_is_asked_for_twice_and_never_shown() -> None:
    typed = "typed at a terminal\n"
    told = run("add", "ada", "--role", "reader", typed=typed * 2)
    assert told.exit_code == 0
    assert "typed" not in told.output
    assert run("add", "eve", "--role", "reader", typed=typed + "something else\n").exit_code == 1


def test_password_is_no_argument() -> None:
    assert run("add", "ada", "--role", "reader", "--password", "x").exit_code == 2


def test_weak_password_is_refused() -> None:
    told = run("add", "ada", "--role", "reader", "--password-file", "-", typed="short\n")
    assert (told.exit_code, listed()) == (1, {})
    assert "choose another" in told.stderr


def test_user_is_changed_and_removed(tmp_path: Path) -> None:
    add("ada", Role.OPERATOR)
    add("eve", Role.READER)
    (tmp_path / "password").write_text("another long password\n", encoding="utf-8")
    for arguments in (
        ("role", "eve", "radiologist"),
        ("disable", "eve"),
        ("passwd", "eve", "--password-file", str(tmp_path / "password")),
    ):
        assert run(*arguments).exit_code == 0
    assert (listed()["eve"]["role"], listed()["eve"]["disabled"]) == ("radiologist", True)
    assert run("enable", "eve").exit_code == 0
    assert not listed()["eve"]["disabled"]
    assert "eve" in run("list").stdout
    assert run("remove", "eve", "--by", "Grace Hopper").exit_code == 0
    assert set(listed()) == {"ada"}
    with closing(open_ledger(load().database)) as ledger:
        entries = ledger.audit.entries()[::-1]
    assert [entry.action.removeprefix("user.") for entry in entries] == [
        "add", "add", "role", "disable", "passwd", "enable", "remove",
    ]  # fmt: skip
    assert entries[-1].actor == f"{operator()} as Grace Hopper"
    assert {event_of(entry.action).event_id for entry in entries} == {SECURITY_ALERT}


def test_last_user_is_not_removed_by_accident() -> None:
    add("ada", Role.OPERATOR)
    told = run("remove", "ada")
    assert (told.exit_code, set(listed())) == (1, {"ada"})
    assert "--leave-open" in told.stderr
    assert run("remove", "ada", "--leave-open").exit_code == 0
    assert "open to this machine" in run("list").stdout


def test_sessions_are_ended_by_name_or_all() -> None:
    lifetime = Lifetime(timedelta(hours=1), timedelta(hours=12))
    with closing(open_ledger(load().database)) as ledger:
        for name in ("grace", "grace", "ada"):
            ledger.sessions.begin(name, lifetime, Role.OPERATOR)
    assert "ended 2 sessions of grace" in run("logout", "Grace").stdout
    assert "ended 1 sessions of everybody" in run("logout", "--all").stdout
    assert run("logout").exit_code == run("logout", "ada", "--all").exit_code == 2
    with closing(open_ledger(load().database)) as ledger:
        told = [(entry.action, entry.detail) for entry in ledger.audit.entries()]
    assert told == [("user.logout", "everybody: 1 sessions"), ("user.logout", "grace: 2 sessions")]


@pytest.mark.parametrize(
    "arguments",
    [("remove", "eve"), ("passwd", "eve"), ("role", "eve", "reader"), ("disable", "eve")],
)
def test_unknown_user_is_an_error(arguments: tuple[str, ...]) -> None:
    told = run(*arguments)
    assert told.exit_code == 1
    assert "no user eve" in told.stderr
