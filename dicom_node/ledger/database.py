"""Connections to the ledger's database: SQLite in WAL mode, or PostgreSQL.

Writers take SQLite's write lock at once (``BEGIN IMMEDIATE``), so that two of them queue up
instead of failing in the middle; on PostgreSQL they lock the row of the one study that they
write to. Readers see one snapshot. Foreign errors end here.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from dicom_node.errors import LedgerDamaged, LedgerError, LedgerUnavailable

_PATIENCE_S = 15
"""How long a writer waits for another one."""

_PRIMARY = 0xFF
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_POSTGRES_OPTIONS = f"-c lock_timeout={_PATIENCE_S}s -c statement_timeout=60s"


def utc_now() -> datetime:
    """Return the present time."""
    return datetime.now(UTC)


class Database:
    """Sessions on one database; safe to share between threads, not across a fork."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self.now = clock
        self._engine = engine
        self._writer = engine.execution_options(writer=True)
        self._write = sessionmaker(self._writer, expire_on_commit=False)
        self._read = sessionmaker(_snapshots(engine), expire_on_commit=False)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a writing transaction; commits at the end, rolls back where anything is raised."""
        with self._translated(), self._write.begin() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a reading transaction on one snapshot."""
        with self._translated(), self._read.begin() as session:
            yield session

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """Open a transaction that shuts every other process out, for a migration."""
        with self._translated(), self._writer.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('dicom-node'))"))
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as exc:
            raise _translate(exc, self._engine.url) from exc


def connect(url: str, clock: Callable[[], datetime] = utc_now) -> Database:
    """Prepare the connection to ``url``; raise LedgerError where it names no database of ours."""
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise LedgerError("NODE_DATABASE_URL is not an SQLAlchemy URL") from exc
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return Database(_sqlite(parsed), clock)
    if backend in {"postgresql", "postgres"}:
        return Database(_postgresql(parsed.set(drivername="postgresql+psycopg")), clock)
    raise LedgerError(f"NODE_DATABASE_URL names {backend}; use sqlite or postgresql")


def _snapshots(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise LedgerError("the ledger needs a file: sqlite:////path/to/ledger.sqlite3")
    _make_file(Path(url.database))
    engine = create_engine(url, connect_args={"timeout": _PATIENCE_S}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writer = connection.get_execution_options().get("writer", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN DEFERRED")

    return engine


def _make_file(path: Path) -> None:
    """Make the database file readable by its owner alone; its side files follow its mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
    except OSError as exc:
        raise LedgerUnavailable(f"the ledger's file cannot be made: {exc.strerror}") from exc


def _postgresql(url: URL) -> Engine:
    arguments = {
        "connect_timeout": 5,
        "keepalives_idle": 2,  # a server that cannot be reached is noticed within eight seconds
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 8000,
        "options": _POSTGRES_OPTIONS,
    }
    return create_engine(url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)


def _translate(exc: SQLAlchemyError, url: URL) -> LedgerError:
    """Turn the database's errors to ours; the messages hold no values."""
    cause = exc.orig if isinstance(exc, DBAPIError) else None
    if getattr(cause, "sqlite_errorcode", 0) & _PRIMARY in _DAMAGED:
        return LedgerDamaged(Path(url.database or ""))
    if isinstance(exc, OperationalError | InterfaceError | PoolTimeout):
        return LedgerUnavailable(f"the ledger's database does not answer: {_cause(exc)}")
    return LedgerError(f"the ledger's database refused: {_cause(exc)}")


def _cause(exc: SQLAlchemyError) -> str:
    return type(exc.orig if isinstance(exc, DBAPIError) else exc).__name__
