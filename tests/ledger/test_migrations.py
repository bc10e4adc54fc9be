"""The tables that the migrations make are the tables that the code uses."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, inspect, select, update
from sqlalchemy.orm import DeclarativeBase

from dicom_node.domain import ModelState, Trigger
from dicom_node.errors import LedgerDamaged, LedgerError, LedgerUnavailable
from dicom_node.ledger import Ledger, migrate, open_ledger, schema
from dicom_node.ledger.audit_rows import AuditRow
from dicom_node.ledger.database import connect
from dicom_node.ledger.migration import configuration, upgrade
from tests.ledgers import PATIENT_NAME, Clock, report, start, wish


def test_migrations_make_exactly_the_tables_of_the_schema(url: str) -> None:
    migrate(url)
    database = connect(url)
    with database.exclusive() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.RunRow.metadata) == []
    database.close()


def test_migrating_again_keeps_what_is_there(ledger: Ledger, url: str) -> None:
    report(ledger)
    migrate(url)
    again = open_ledger(url)
    assert len(again.queries.worklist()) == 1
    again.close()


def test_migrations_go_back_to_nothing(url: str) -> None:
    migrate(url)
    database = connect(url)
    with database.exclusive() as connection:
        command.downgrade(configuration(connection), "base")
    with database.exclusive() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    database.close()
    migrate(url)


def test_models_published_before_shadows_are_served(url: str) -> None:
    database = connect(url)
    upgrade(database, "0001")
    with database.exclusive() as connection:
        connection.exec_driver_sql(
            "INSERT INTO served_models VALUES "
            "('CXR', 'old', '1', 'ab', '{}', true, '', 'cpu', '2026-03-01 08:00:00')"
        )
    database.close()
    ledger = open_ledger(url)
    (model,) = ledger.studies.published_models()
    assert (model.identity.name, model.state) == ("old", ModelState.SERVED)
    ledger.close()


def test_runs_of_before_were_asked_for_when_they_were_made(
    ledger: Ledger, url: str, clock: Clock
) -> None:
    report(ledger)
    with ledger.database.exclusive() as connection:
        command.downgrade(configuration(connection), "0005")
    migrate(url)
    with ledger.database.read() as session:
        (run,) = session.scalars(select(schema.RunRow))
    assert run.asked_at == run.created_at == clock()


@pytest.mark.parametrize("table", [schema.TransitionRow, AuditRow])
@pytest.mark.parametrize("verb", [update, delete])
def test_database_refuses_to_change_what_was_written_down(
    ledger: Ledger, table: type[DeclarativeBase], verb: type
) -> None:
    start(ledger)
    statement = verb(table)
    if verb is update:
        statement = statement.values(actor="somebody else")
    with pytest.raises(LedgerError), ledger.database.write() as session:
        session.execute(statement)


def test_sqlite_file_is_the_owners_alone_and_in_wal_mode(tmp_path: Path) -> None:
    file = f"{tmp_path}/deep/down/ledger.sqlite3"
    ledger = open_ledger(f"sqlite:///{file}")
    with ledger.database.exclusive() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 15000}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files(file))
    ledger.close()


def files(stem: str) -> list[Path]:
    found = [Path(stem + tail) for tail in ("", "-wal", "-shm")]
    assert all(path.exists() for path in found)
    return found


@pytest.mark.parametrize(
    "bad", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://localhost/x"]
)
def test_url_of_no_use_is_an_error_that_names_the_setting_or_the_way_out(bad: str) -> None:
    with pytest.raises(LedgerError, match=r"NODE_DATABASE_URL|needs a file"):
        open_ledger(bad)


def test_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(LedgerUnavailable, match="does not answer"):
        open_ledger("postgresql://user:hidden@127.0.0.1:9/none")


def test_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    file.write_bytes(b"not a database, for sure" * 100)
    with pytest.raises(LedgerDamaged, match="is damaged"):
        open_ledger(f"sqlite:///{file}")


def test_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerUnavailable, match="cannot be made"):
        open_ledger(f"sqlite:///{tmp_path / 'file' / 'ledger.sqlite3'}")


def test_no_patient_attribute_outside_its_own_columns(ledger: Ledger) -> None:
    report(ledger)
    kept = {"studies": {"patient_id", "patient_name"}, "runs": {"patient_id"}}
    with ledger.database.read() as session:
        for table in schema.RunRow.metadata.sorted_tables:
            for row in session.execute(table.select()).mappings():
                named = {k for k, v in row.items() if "SECRET" in str(v)}
                assert named <= kept.get(table.name, set())
    assert "SECRET" in PATIENT_NAME


def test_runs_of_before_have_no_account_of_their_images(
    ledger: Ledger, url: str, clock: Clock
) -> None:
    del clock
    report(ledger)
    with ledger.database.exclusive() as connection:
        command.downgrade(configuration(connection), "0006")
    migrate(url)
    (item,) = ledger.queries.worklist()
    assert item.images is None


def test_studies_read_before_identities_were_compared_are_not_read_again(
    ledger: Ledger, url: str
) -> None:
    report(ledger)
    with ledger.database.exclusive() as connection:
        command.downgrade(configuration(connection), "0006")
    migrate(url)
    with ledger.database.read() as session:
        (run,) = session.scalars(select(schema.RunRow))
    assert run.evidence_digest is None
    again = ledger.runs.request(wish("images-1", trigger=Trigger.RECONCILE))
    assert (again.created, again.run_id) == (False, run.run_id)
