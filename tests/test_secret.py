"""Passwords come from files, in whatever setting they are needed."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from dicom_node import secret, settings
from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import checks
from dicom_node.supervision.checks import Outcome


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NODE_HOME", str(tmp_path))
    monkeypatch.delenv("NODE_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text("p@ss/w:ord%\n", "utf-8")
    file.chmod(0o600)
    return file


def test_password_of_a_server_comes_from_its_file(home: Path, password: Path) -> None:
    chosen = Settings(
        home=home,
        database_url="postgresql+psycopg://node@db.example:5432/node?sslmode=verify-full",
        database_password_file=password,
        redis_url="rediss://queue.example:6380/1",
        redis_password_file=password,
    )
    database = make_url(chosen.database)
    assert (database.username, database.password) == ("node", "p@ss/w:ord%")
    assert (database.host, database.port, database.database) == ("db.example", 5432, "node")
    assert database.query == {"sslmode": "verify-full"}
    queue = urlsplit(chosen.redis)
    assert (queue.hostname, queue.port, queue.path) == ("queue.example", 6380, "/1")
    assert (queue.username, unquote(queue.password or "")) == ("", "p@ss/w:ord%")
    password.write_text("next", "utf-8")
    assert make_url(chosen.database).password == "next"


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_password_passes_through_a_url(word: str) -> None:
    url = secret.into_url("postgresql://node@/node?host=/run", word)
    assert make_url(url).password == word
    assert secret.is_in_url(url)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"database_url": "postgresql://node:inline@db/node"}, "has a password beside"),
        ({"database_url": "postgresql://node@db/node?password=inline"}, "has a password beside"),
        ({"database_url": "postgresql://db/node"}, "must name the user"),
        ({"database_url": "sqlite:///x"}, "of a server"),
        ({"database_url": ""}, "of a server"),
        ({"redis_url": "redis://:inline@queue/0"}, "has a password beside"),
        ({"redis_url": "redis+socket:///run/x"}, "of a server"),
        ({"redis_url": ""}, "of a server"),
    ],
)
def test_password_without_a_place_is_refused(
    home: Path, password: Path, given: dict[str, str], words: str
) -> None:
    (name,) = given
    file = name.replace("_url", "_password_file")
    with pytest.raises(ValueError, match=words) as told:
        Settings.model_validate({"home": home, **given, file: password})
    assert "inline" not in str(told.value).partition("[type=")[0]


@pytest.mark.parametrize(
    "name",
    ["DATABASE_PASSWORD", "REDIS_PASSWORD", "ORTHANC_PASSWORD", "INTERNAL_TOKEN"],
)
@pytest.mark.parametrize("by", ["environment", "file"])
def test_secret_in_a_setting_is_refused_by_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, by: str
) -> None:
    if by == "environment":
        monkeypatch.setenv(f"NODE_{name}", "inline")
    else:
        (home / "node.toml").write_text(f'{name.lower()} = "inline"\n', "utf-8")
    with pytest.raises(SettingsError, match=f"NODE_{name} may not hold a secret") as told:
        settings.load()
    assert "inline" not in str(told.value)


def test_doctor_tells_secrets_that_others_can_read_and_that_stand_in_urls(
    home: Path, password: Path
) -> None:
    chosen = Settings(
        home=home,
        database_url="postgresql://node@db/node",
        database_password_file=password,
        redis_url="redis://:inline@queue/0",
    )
    told = {check.name: check.outcome for check in checks.secrets(chosen)}
    assert told == {
        "NODE_DATABASE_PASSWORD_FILE": Outcome.OK,
        "NODE_REDIS_URL": Outcome.WARNING,
    }
    password.chmod(0o644)
    told = {check.name: check.outcome for check in checks.secrets(chosen)}
    assert told["NODE_DATABASE_PASSWORD_FILE"] is Outcome.WARNING
    password.unlink()
    told = {check.name: check.outcome for check in checks.secrets(chosen)}
    assert told["NODE_DATABASE_PASSWORD_FILE"] is Outcome.FAILED
    assert not any("inline" in check.found for check in checks.secrets(chosen))
