"""Bring a ledger's tables to the present form."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from dicom_node.ledger.database import Database, connect

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
        command.upgrade(configuration(connection), revision)


def configuration(connection: Connection) -> Config:
    """Return what Alembic needs to know."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
