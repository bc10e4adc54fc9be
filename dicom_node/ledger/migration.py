"""Bring a ledger's tables to the present form."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, column, insert, inspect, table

from dicom_node.ledger.database import Database, connect

MADE: Final = "ledger.made"
"""The cursor that holds the Unix time at which the tables were created."""

_CURSORS = table("cursors", column("name"), column("value"))
_MIGRATIONS = Path(__file__).with_name("migrations")


def migrate(url: str) -> None:
    """Create or update the tables at ``url``; raise LedgerUnavailable or LedgerError.

    Safe to call again, and when several processes start at once: one works, the others wait.
    """
    database = connect(url)
    try:
        upgrade(database)
    finally:
        database.close()


def upgrade(database: Database, revision: str = "head") -> None:
    """Create or update the tables of an open database."""
    with database.exclusive() as connection:
        new = not inspect(connection).has_table("studies")
        command.upgrade(configuration(connection), revision)
        if new:  # what an archive held before this moment is not read by itself
            made = insert(_CURSORS).values(name=MADE, value=int(database.now().timestamp()))
            connection.execute(made)


def configuration(connection: Connection) -> Config:
    """Return what Alembic needs to know."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
