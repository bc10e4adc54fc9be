"""What docker-compose.yml promises, read from the file; tests/compose/run.sh starts it for real."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dicom_node.settings import Settings
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import orthanc_limits, programs, relay
from dicom_node.supervision.render import redis

ROOT = Path(__file__).parents[2]
DOORS = {"nginx", "haproxy"}
SERVICES = {"orthanc", "relay", "redis", "postgres", "api", "intake", "worker", "beat"} | DOORS
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
    assert set(services) == SERVICES | {"prepare"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_comes_back_and_waits_for_what_it_needs(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    service = services[name]
    assert service["restart"] == "unless-stopped"
    assert "healthcheck" in service or "depends_on" in service
    for needed, how in service.get("depends_on", {}).items():
        if needed == "prepare":
            assert how == {"condition": "service_completed_successfully"}
        else:
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[needed]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_may_do_little(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service.get("network_mode") in {None, "none"}
    assert "user" not in service


def test_only_the_doors_have_ports_and_only_on_loopback(
    services: dict[str, dict[str, Any]],
) -> None:
    published = {name: service.get("ports", []) for name, service in services.items()}
    assert published.pop("nginx") == ["127.0.0.1:8042:8042"]
    assert published.pop("haproxy") == ["127.0.0.1:4242:4242"]
    assert not any(published.values())


def test_orthanc_stands_on_a_network_that_leads_nowhere(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert services["orthanc"]["networks"] == ["inside"]
    assert compose["networks"]["inside"] == {"internal": True}
    for name in DOORS:
        assert services[name]["networks"] == ["inside", "outside"]


@pytest.mark.parametrize("name", ["api", "intake", "worker", "beat"])
def test_a_command_is_the_supervisors(
    services: dict[str, dict[str, Any]], settings: Settings, name: str
) -> None:
    supervised = {program.name: program for program in programs(settings)}[name]
    expected = ["python" if part == sys.executable else part for part in supervised.command]
    assert shlex.split(services[name]["command"]) == expected
    assert services[name]["stop_grace_period"] == f"{supervised.stop_wait_s}s"


def test_relay_is_the_supervisors(services: dict[str, dict[str, Any]]) -> None:
    expected = ["python" if part == sys.executable else part for part in relay().command]
    assert shlex.split(services["relay"]["command"]) == expected
    assert services["relay"]["networks"] == ["inside", "outside"]  # storage commitment calls back
    assert "NODE_MODALITIES" in services["relay"]["environment"]


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


def test_orthanc_sends_without_delay() -> None:
    assert "TCP_NODELAY=1" in DOCKERFILES[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["prepare", "orthanc", "api", "intake", "worker", "beat"])
def test_people_log_in_and_the_parts_share_one_token(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    environment = services[name]["environment"]
    assert environment["NODE_ALLOW_REMOTE"] == "true"  # so that the API asks who somebody is
    token = Path(environment["NODE_INTERNAL_TOKEN_FILE"])
    (volume,) = [v for v in services[name].get("volumes", []) if f":{token.parent}" in v]
    assert volume == f"accounts:{token.parent}" + ("" if name == "prepare" else ":ro")
    assert "NODE_ORTHANC_USER" not in environment


def test_orthancs_health_is_asked_with_its_account(services: dict[str, dict[str, Any]]) -> None:
    start = (ROOT / "orthanc" / "start").read_text(encoding="utf-8")
    assert "umask 077" in start
    given = re.search(r"--config (\S+)", services["orthanc"]["healthcheck"]["test"])
    assert given is not None
    assert given[1] == "/tmp/orthanc/curlrc"
    assert '>"$folder/curlrc"' in start
    text = (ROOT / "orthanc" / "orthanc.json").read_text(encoding="utf-8")
    assert '"AuthenticationEnabled" : true' in text


def prepared(
    services: dict[str, dict[str, Any]], home: Path, **given: str
) -> subprocess.CompletedProcess[str]:
    """Run what the container `prepare` runs, in a home of the test's own."""
    told = services["prepare"]["environment"] | given
    told |= {
        "NODE_HOME": str(home),
        "NODE_INTERNAL_TOKEN_FILE": str(home / "token"),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    return subprocess.run(
        ["sh", ROOT / "worker" / "prepare"],
        env={name: str(value or "") for name, value in told.items()},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_what_the_containers_read_is_written_and_the_token_stays(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    for _ in range(2):
        done = prepared(services, tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    token = (tmp_path / "token").read_text(encoding="utf-8").strip()
    accounts = json.loads((tmp_path / "orthanc.d/accounts.json").read_text(encoding="utf-8"))
    assert accounts == {"RegisteredUsers": {"node": token}}
    callers = json.loads((tmp_path / "orthanc.d/dicom.json").read_text(encoding="utf-8"))
    assert callers["DicomAlwaysAllowStore"] is True
    header = (tmp_path / "secrets/header").read_text(encoding="utf-8")
    assert header == f"X-Node-Token: {token}\n"
    assert "--header @/var/lib/dicom-node/secrets/header" in services["api"]["healthcheck"]["test"]
    limits = (tmp_path / "orthanc.d/limits").read_text(encoding="utf-8").split()
    assert tuple(limits) == orthanc_limits(Settings())
    assert "exec $limits" in (ROOT / "orthanc" / "start").read_text(encoding="utf-8")
    assert "listen 0.0.0.0:8042 " in (tmp_path / "nginx.conf").read_text(encoding="utf-8")
    haproxy = (tmp_path / "haproxy.cfg").read_text(encoding="utf-8")
    assert "bind 0.0.0.0:4242" in haproxy
    servers = [line for line in haproxy.splitlines() if line.startswith("  server orthanc ")]
    assert {"orthanc:8042"} == {line.split()[2] for line in servers}
    assert all("resolvers site init-addr libc,none" in line for line in servers)


@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.0.5"])
@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "NODE_HTTP_PLAIN"),
        ({"NODE_HTTP_PLAIN": "true"}, "NODE_DICOM_PLAIN"),
        ({"NODE_DICOM_PLAIN": "true"}, "NODE_HTTP_PLAIN"),
        ({"NODE_DICOM_PLAIN": "true", "NODE_BEHIND_TLS_PROXY": "true"}, "with https:"),
    ],
)
def test_nothing_is_prepared_where_the_node_would_be_more_open_than_stated(
    services: dict[str, dict[str, Any]],
    tmp_path: Path,
    address: str,
    given: dict[str, str],
    missing: str,
) -> None:
    done = prepared(services, tmp_path, NODE_BIND=address, **given)
    assert done.returncode == 1
    assert missing in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "nginx.conf").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"NODE_HTTP_PLAIN": "true"},
        {"NODE_BEHIND_TLS_PROXY": "true", "NODE_PUBLIC_URL": "https://node.example"},
    ],
)
def test_all_is_prepared_behind_a_proxy_or_where_plain_http_is_asked_for(
    services: dict[str, dict[str, Any]], tmp_path: Path, given: dict[str, str]
) -> None:
    stated = given | {"NODE_DICOM_PLAIN": "true", "NODE_BIND": "0.0.0.0"}
    assert prepared(services, tmp_path, **stated).returncode == 0


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
    scripts.append(ROOT / "worker/prepare")
    subprocess.run(["shellcheck", *scripts], check=True)
    answer = subprocess.run(
        [scripts[0], "--help"], check=True, capture_output=True, encoding="utf-8"
    ).stdout
    assert answer.startswith("usage: tests/compose/run.sh")
