"""Orthanc's ports are kept on one address, or the node does not start."""

import shutil
import socket
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.errors import SettingsError
from dicom_node.settings import EVERY_ADDRESS, LOOPBACK, Settings
from dicom_node.supervision import binding, checks, listeners, nginx
from dicom_node.supervision.checks import Outcome
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import programs
from tests.conftest import missing_tool

_BIND = """
import socket, sys
with socket.socket(socket.AddressFamily(int(sys.argv[1]))) as one:
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one.bind((sys.argv[2], 0))
    print(one.getsockname()[0])
"""


@pytest.fixture(params=["home", "a home: with $blanks"])
def layout(tmp_path: Path, request: pytest.FixtureRequest) -> Layout:
    """Return a prepared home, and one whose name a loader's list of libraries could not hold."""
    made = Layout(tmp_path / request.param, tmp_path / "run")
    made.create()
    binding.prepare(made, LOOPBACK)
    return made


def bound(layout: Layout, address: str, family: int = socket.AF_INET, to: str = "") -> str:
    """Return where a process comes to that asks for ``address``, or its last word."""
    done = subprocess.run(
        [sys.executable, "-c", _BIND, str(int(family)), address],
        cwd=binding.folder(layout),
        env={**binding.environment(layout, LOOPBACK), **({"NODE_BIND_ADDRESS": to} if to else {})},
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]


def test_any_address_becomes_loopback(layout: Layout) -> None:
    assert bound(layout, "0.0.0.0") == "127.0.0.1"
    assert bound(layout, "::", socket.AF_INET6) == "::ffff:127.0.0.1"
    assert bound(layout, "::ffff:0.0.0.0", socket.AF_INET6) == "::ffff:127.0.0.1"


def test_a_named_address_stays(layout: Layout) -> None:
    assert bound(layout, "127.0.0.3") == "127.0.0.3"


def test_what_is_no_address_binds_nothing(layout: Layout) -> None:
    assert "Cannot assign requested address" in bound(layout, "0.0.0.0", to="nonsense")


def test_address_of_another_machine_is_refused_before_the_start(tmp_path: Path) -> None:
    home = Layout(tmp_path / "home", tmp_path / "run")
    home.create()
    with pytest.raises(SettingsError, match="cannot be kept on 192\\.0\\.2\\.1"):
        binding.prepare(home, IPv4Address("192.0.2.1"))


@pytest.mark.parametrize("compiler", ["tcc", "gcc"])
def test_every_compiler_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    if shutil.which(compiler) is None:
        missing_tool(f"{compiler} is not installed")
    monkeypatch.setattr(binding, "COMPILERS", (compiler,))
    home = Layout(tmp_path / "home", tmp_path / "run")
    home.create()
    binding.prepare(home, LOOPBACK)
    assert binding.trial(home, LOOPBACK) == "127.0.0.1"


def test_without_a_compiler_nothing_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    home = Layout(tmp_path / "home", tmp_path / "run")
    home.create()
    with pytest.raises(SettingsError, match="apt-get install tcc"):
        binding.prepare(home, LOOPBACK)


def test_orthanc_stays_on_loopback_however_far_the_doors_are_open(tmp_path: Path) -> None:
    opened = {"home": tmp_path, "allow_remote": True, "dicom_plain": True}
    chosen = Settings.model_validate(opened)
    assert chosen.listen_address == EVERY_ADDRESS
    assert chosen.orthanc_address.is_loopback
    (orthanc,) = (one for one in programs(chosen) if one.name == "orthanc")
    assert orthanc.environment["NODE_BIND_ADDRESS"] == str(chosen.orthanc_address)


@given(names=st.sets(st.text("abcdefgh/", min_size=1), min_size=2, max_size=2))
def test_each_home_has_an_address_of_its_own(names: set[str]) -> None:
    homes = {Settings(home=Path("/nodes") / f"x{name}").root for name in names}
    addresses = {Settings(home=home).orthanc_address for home in homes}
    assert len(addresses) == len(homes)
    assert all(one.is_loopback and one != LOOPBACK for one in addresses)


def test_plain_http_stays_on_loopback_behind_the_nodes_own_https(tmp_path: Path) -> None:
    chosen = Settings.model_validate(
        {
            "home": tmp_path,
            "allow_remote": True,
            "bind_address": "127.0.0.9",
            "https_certificate_file": tmp_path / "own.pem",
        }
    )
    assert (str(chosen.listen_address), str(chosen.http_address)) == ("127.0.0.9", "127.0.0.1")
    assert chosen.front == "http://127.0.0.1:8042"
    assert chosen.public == "https://127.0.0.9:8443"
    text = nginx.configuration(chosen, Layout.of(chosen))
    assert "listen 127.0.0.9:8443 ssl http2 " in text
    assert "listen 127.0.0.1:8042 " in text


def test_strays_are_what_listens_elsewhere() -> None:
    code = "import socket, sys; s = socket.create_server((sys.argv[1], 0)); print(s.getsockname()[1], flush=True); input()"  # noqa: E501
    for address, stray in (("127.0.0.1", False), ("0.0.0.0", True)):
        with subprocess.Popen(
            [sys.executable, "-c", code, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as server:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            found = listeners.strays(server.pid, LOOPBACK)
            assert found == ((f"{address}:{port}",) if stray else ())
            server.communicate("\n", timeout=20)
    assert listeners.strays(server.pid, LOOPBACK) == ()


def test_doctor_tries_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    told = {check.name: check for check in checks.network(settings)}
    assert told["network"].outcome is Outcome.OK
    assert told["DICOM callers"].outcome is Outcome.OK
    monkeypatch.setenv("PATH", str(tmp_path))
    told = {check.name: check for check in checks.network(settings)}
    assert told["network"].outcome is Outcome.FAILED
    assert "tcc" in told["network"].advice
