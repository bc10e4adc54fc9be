"""What docker-compose.yml promises, read from the file; tests/compose/run.sh starts it for real."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings, load
from dicom_node.supervision import opening
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import programs
from dicom_node.supervision.render import redis

ROOT = Path(__file__).parents[2]
SERVICES = {"orthanc", "redis", "postgres", "api", "intake", "worker", "beat"}
DOCKERFILES = (ROOT / "orthanc" / "Dockerfile", ROOT / "worker" / "Dockerfile")
VARIABLE = re.compile(r"\$\{\w+(?::?-(?P<default>[^}]*))?\}")
PASSWORD = re.compile(r"password(?!-file|_file)\s*[:=]|://[^/@\s]*:[^/@\s]+@", re.IGNORECASE)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Return the file as Compose sees it where no variable is set."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    read: dict[str, Any] = yaml.safe_load(VARIABLE.sub(lambda m: m["default"] or "", text))
    return read


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


@pytest.fixture(scope="module")
def settings(services: dict[str, dict[str, Any]]) -> Settings:
    """Return the settings that the containers read from their environment."""
    prefix = "NODE_"
    given = services["worker"]["environment"]
    return Settings(**{k.removeprefix(prefix).lower(): v for k, v in given.items()})


def test_the_node_is_complete(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == SERVICES


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_comes_back_and_waits_for_what_it_needs(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    service = services[name]
    assert service["restart"] == "unless-stopped"
    assert "healthcheck" in service or "depends_on" in service
    for needed, how in service.get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in services[needed]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_may_do_little(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service.get("network_mode") is None


def test_only_orthanc_has_ports_and_only_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service.get("ports", []) for name, service in services.items()}
    assert published.pop("orthanc") == ["127.0.0.1:8042:8042", "127.0.0.1:4242:4242"]
    assert not any(published.values())


@pytest.mark.parametrize("name", ["api", "intake", "worker", "beat"])
def test_a_command_is_the_supervisors(
    services: dict[str, dict[str, Any]], settings: Settings, name: str
) -> None:
    supervised = {program.name: program for program in programs(settings)}[name]
    expected = ["python" if part == sys.executable else part for part in supervised.command]
    assert shlex.split(services[name]["command"]) == expected
    assert services[name]["stop_grace_period"] == f"{supervised.stop_wait_s}s"


def test_redis_runs_as_under_the_supervisor(settings: Settings) -> None:
    text = (ROOT / "worker" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    command = re.search(r"CMD \[\"redis-server\",(.*?)\]", text)
    assert command is not None
    words = shlex.split(command[1].replace(",", " "))
    options = dict(zip(words[::2], words[1::2], strict=True))
    supervised = redis(Layout.of(settings)).splitlines()
    for name in ("port", "appendonly", "appendfsync", "save", "maxmemory-policy"):
        value = options[f"--{name}"] or '""'
        assert f"{name} {value}" in supervised


def test_orthanc_answers_other_containers(services: dict[str, dict[str, Any]]) -> None:
    assert services["orthanc"]["environment"]["NODE_ORTHANC_REMOTE"] == "true"
    assert "${NODE_ORTHANC_REMOTE:-false}" in (ROOT / "orthanc" / "orthanc.json").read_text(
        encoding="utf-8"
    )


def test_orthanc_sends_without_delay() -> None:
    assert "TCP_NODELAY=1" in DOCKERFILES[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["orthanc", "api", "intake", "worker", "beat"])
def test_people_log_in_and_the_parts_share_one_token(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    environment = services[name]["environment"]
    assert environment["NODE_ALLOW_REMOTE"] == "true"  # so that the API asks who somebody is
    token = Path(environment["NODE_INTERNAL_TOKEN_FILE"])
    (volume,) = [v for v in services[name].get("volumes", []) if f":{token.parent}" in v]
    assert volume == f"accounts:{token.parent}" + ("" if name == "orthanc" else ":ro")
    assert "NODE_ORTHANC_USER" not in environment


def test_orthanc_makes_the_token_and_its_health_is_asked_with_it(
    services: dict[str, dict[str, Any]],
) -> None:
    start = (ROOT / "orthanc" / "start").read_text(encoding="utf-8")
    assert "secrets.token_urlsafe(32)" in start
    assert "umask 077" in start
    header = re.search(r"--header @(\S+)", services["orthanc"]["healthcheck"]["test"])
    assert header is not None
    assert header[1] == "/tmp/orthanc/header"
    assert '>"$folder/header"' in start
    assert '"AuthenticationEnabled" : false' in (ROOT / "orthanc" / "orthanc.json").read_text(
        encoding="utf-8"
    )


def test_orthanc_is_plain_on_loopback_alone(services: dict[str, dict[str, Any]]) -> None:
    environment = services["orthanc"]["environment"]
    names = ("NODE_BIND", "NODE_DICOM_PLAIN", "NODE_HTTP_PLAIN")
    assert [environment[name] for name in names] == ["127.0.0.1", "false", "false"]
    start = (ROOT / "orthanc" / "start").read_text(encoding="utf-8")
    rule = next(line for line in start.splitlines() if line.startswith("case"))
    for address, plain in (("127.0.0.1", "true"), ("0.0.0.0", "false"), ("10.0.0.5", "false")):
        told = subprocess.run(
            ["sh", "-euc", f'{rule}\necho "$NODE_DICOM_PLAIN $NODE_HTTP_PLAIN"'],
            env={"NODE_BIND": address, "NODE_DICOM_PLAIN": "false", "NODE_HTTP_PLAIN": "false"},
            check=True,
            capture_output=True,
            encoding="utf-8",
        )
        assert told.stdout.split() == [plain, plain]


def test_orthanc_in_a_container_gets_the_same_rules_for_callers(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in services["orthanc"]["environment"].items():
        if name.startswith("NODE_"):
            monkeypatch.setenv(name, str(value or ""))
    with pytest.raises(SettingsError, match="NODE_DICOM_PLAIN"):
        opening.render(load())
    monkeypatch.setenv("NODE_DICOM_PLAIN", "true")
    assert "DicomAlwaysAllowStore" in opening.render(load())


def start_of(services: dict[str, dict[str, Any]], tmp_path: Path, **given: str) -> str:
    """Run what `orthanc/start` has Python do, as in its container; return why it fails."""
    start = (ROOT / "orthanc" / "start").read_text(encoding="utf-8")
    script = re.search(r"<<'PY'\n(.*?)\nPY\n", start, re.DOTALL)
    assert script is not None
    told = services["orthanc"]["environment"] | {"NODE_DICOM_PLAIN": "true"} | given
    done = subprocess.run(
        [sys.executable, "-", str(tmp_path)],
        input=script[1],
        env={name: str(value or "") for name, value in told.items()} | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode == 0) == (tmp_path / "dicom.json").exists()
    return done.stderr


def test_orthanc_does_not_start_where_passwords_would_cross_the_network(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    assert "NODE_HTTP_PLAIN" in start_of(services, tmp_path)
    assert "with https:" in start_of(services, tmp_path, NODE_BEHIND_TLS_PROXY="true")


@pytest.mark.parametrize(
    "given",
    [
        {"NODE_HTTP_PLAIN": "true"},
        {"NODE_BEHIND_TLS_PROXY": "true", "NODE_PUBLIC_URL": "https://node.example"},
    ],
)
def test_orthanc_starts_behind_a_proxy_or_where_plain_http_is_asked_for(
    services: dict[str, dict[str, Any]], tmp_path: Path, given: dict[str, str]
) -> None:
    assert start_of(services, tmp_path, **given) == ""


def test_no_password_is_written_down(services: dict[str, dict[str, Any]]) -> None:
    files = (ROOT / "docker-compose.yml", *DOCKERFILES)
    for file in files:
        lines = [
            line for line in file.read_text(encoding="utf-8").splitlines() if PASSWORD.search(line)
        ]
        assert lines == []
    for service in services.values():
        for name in service.get("environment", {}):
            assert "PASSWORD" not in name or name.endswith("_FILE")


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda f: f.parent.name)
def test_every_image_is_debian_without_root(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "ARG BASE=debian:bookworm" in text
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    names = {stage.split()[2] for stage in stages if len(stage.split("\n")[0].split()) > 2}
    sources = {stage.split()[0] for stage in stages}
    assert sources <= {"${BASE}", "${WHEELS}"} | names
    shipped = [stage for stage in stages if re.search(r"^CMD ", stage, re.MULTILINE)]
    assert shipped
    assert all(re.search(r"^USER (node|postgres)$", s, re.MULTILINE) for s in shipped)
    assert "RESEARCH USE ONLY" in text


def test_the_script_is_sound() -> None:
    scripts = [ROOT / "tests/compose/run.sh", ROOT / "orthanc/start", ROOT / "worker/postgres"]
    subprocess.run(["shellcheck", *scripts], check=True)
    answer = subprocess.run(
        [scripts[0], "--help"], check=True, capture_output=True, encoding="utf-8"
    ).stdout
    assert answer.startswith("usage: tests/compose/run.sh")
