"""A throwaway PostgreSQL server on a Unix socket, and a fresh database for each test."""

import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import missing_tool

_ACCOUNT = "postgres"
_LET_NOBODY_ELSE_IN = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def _binaries() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    complete = [folder for folder in folders if (folder / "initdb").exists()]
    if not complete:
        missing_tool("PostgreSQL's server is not installed (apt-get install postgresql)")
    return complete[0]


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
    address = f"postgresql://{_ACCOUNT}@/{_ACCOUNT}?host={folder}"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(_LET_NOBODY_ELSE_IN)
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return address
