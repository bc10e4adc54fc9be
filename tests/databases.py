"""A throwaway PostgreSQL server on a Unix socket, and a fresh database for each test."""

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

_ACCOUNT = "postgres"


def _binaries() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists():
            return folder
    reason = "PostgreSQL's server is not installed (apt-get install postgresql)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _run(*command: str | Path) -> None:
    """Run one of PostgreSQL's programs, as its own account where we are root: it insists."""
    root = os.geteuid() == 0
    subprocess.run(
        [str(part) for part in command],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        timeout=120,
        user=pwd.getpwnam(_ACCOUNT).pw_uid if root else None,
        group=grp.getgrnam(_ACCOUNT).gr_gid if root else None,
        extra_groups=[] if root else None,
    )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """Start a server; its socket lies in the folder that is returned."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="node-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, _ACCOUNT, _ACCOUNT)
    data, log = folder / "data", folder / "log"
    settings = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
    try:
        _run(binaries / "initdb", "-D", data, "-U", _ACCOUNT, "-A", "trust", "-E", "UTF8", "-N")
        _run(binaries / "pg_ctl", "-D", data, "-l", log, "-w", "-o", settings, "start")
        yield folder
        _run(binaries / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database, once for each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    folder: Path = request.getfixturevalue("postgres_server")
    name = f"ledger_{uuid.uuid4().hex}"
    _run(_binaries() / "createdb", "-h", folder, "-U", _ACCOUNT, name)
    return f"postgresql://{_ACCOUNT}@/{name}?host={folder}"
