"""The scripts' own errors say what happened and what to do; nothing is installed here."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("demo", "server", "setup", "stop", "test", "viewer")
_NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user may read, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def checkout(open_folder: Path) -> Path:
    """Return a bare checkout with the scripts alone."""
    folder = open_folder / "checkout"
    shutil.copytree(ROOT / "script", folder / "script")
    for name in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def tools(open_folder: Path) -> Path:
    """Return a folder of stand-ins for the system's tools; nothing is installed by them."""
    folder = open_folder / "bin"
    folder.mkdir()
    for name in ("tee", "chmod", "rm", "update-rc.d", "apt-get"):
        stand_in(folder, name, "exit 0")
    stand_in(folder, "dpkg-query", "exit 1")
    stand_in(folder, "sudo", "exit 1")
    return folder


def stand_in(folder: Path, name: str, body: str) -> None:
    """Write a shell script that stands for a tool."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    file.chmod(0o755)


def run(
    checkout: Path, tools: Path, *, user: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``script/setup`` with the stand-ins first on the path."""
    return subprocess.run(
        ["bash", "script/setup"],
        cwd=checkout,
        env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(checkout)},
        user=user if os.getuid() == 0 else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", [*SCRIPTS, "lock"])
def test_script_is_executable_and_sound(name: str) -> None:
    file = ROOT / "script" / name
    assert os.access(file, os.X_OK)
    assert "set -euo pipefail" in file.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", str(file)], check=True)


def test_demo_explains_itself_without_installing(checkout: Path) -> None:
    done = subprocess.run(
        [checkout / "script/demo", "--help"], capture_output=True, encoding="utf-8", check=True
    )
    assert "--input" in done.stdout
    assert not (checkout / ".venv").exists()


def test_stop_before_setup_says_so(checkout: Path) -> None:
    done = subprocess.run(
        [checkout / "script/stop"], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1
    assert "script/setup" in done.stderr


def test_setup_without_root_names_the_packages(checkout: Path, tools: Path) -> None:
    done = run(checkout, tools, user=_NOBODY)
    assert done.returncode == 1
    assert "this user may not install them" in done.stderr
    assert "apt-get install --no-install-recommends" in done.stderr
    assert "orthanc-python" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="another error comes first without root")
def test_setup_without_network_says_so(checkout: Path, tools: Path) -> None:
    stand_in(tools, "apt-get", "echo 'Could not resolve the mirror'; exit 100")
    done = run(checkout, tools)
    assert done.returncode == 1
    assert "package lists cannot be fetched" in done.stderr
    assert "Could not resolve the mirror" in done.stderr
    assert "network" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="another error comes first without root")
def test_setup_on_a_full_disk_says_how_much_it_needs(checkout: Path, tools: Path) -> None:
    stand_in(tools, "df", "echo header; echo 'x 1 1 2097152 1 /'")
    done = run(checkout, tools)
    assert done.returncode == 1
    assert "only 2048 MB are free" in done.stderr
    assert "4 GB" in done.stderr


def fetch_viewer(checkout: Path, tools: Path) -> subprocess.CompletedProcess[str]:
    """Run ``script/viewer`` with the stand-ins first on the path; nothing of it must be left."""
    done = subprocess.run(
        ["bash", "script/viewer"],
        cwd=checkout,
        env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(checkout)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert list(checkout.glob(".ohif*")) == []
    return done


def test_viewer_without_npms_registry_says_so(checkout: Path, tools: Path) -> None:
    stand_in(tools, "rm", 'exec /bin/rm "$@"')
    stand_in(tools, "npm", "echo 'npm error ECONNREFUSED'; exit 1")
    done = fetch_viewer(checkout, tools)
    assert done.returncode == 1
    assert "ECONNREFUSED" in done.stderr
    assert "The node works without it" in done.stderr


def test_viewer_that_is_not_the_tested_one_is_not_installed(checkout: Path, tools: Path) -> None:
    stand_in(tools, "rm", 'exec /bin/rm "$@"')
    to_folder = 'while [ "$1" != --pack-destination ]; do shift; done'
    stand_in(tools, "npm", f'{to_folder}; echo other >"$2/ohif-app-9.tgz"')
    done = fetch_viewer(checkout, tools)
    assert done.returncode == 1
    assert "SHA-512 differs" in done.stderr


def test_setup_elsewhere_points_to_containers(checkout: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for name in ("bash", "dirname"):
        (few / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        [str(few / "bash"), "script/setup"],
        cwd=checkout,
        env={"PATH": str(few)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "docker compose up" in done.stderr


def test_locks_pin_and_hash_everything() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        pins = [line for line in lines if line and line[0].isalnum()]
        assert len(pins) > 50
        assert all("==" in pin and pin.endswith("\\") for pin in pins)
        assert not any(
            pin.startswith(("torch=", "torchvision=", "nvidia", "triton")) for pin in pins
        )


def test_dev_lock_agrees_with_the_runtime_lock() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return {line.split()[0] for line in lines if line and line[0].isalnum()}

    assert pins("requirements.lock") <= pins("requirements-dev.lock")
