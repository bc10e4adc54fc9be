"""Chain the rows of the audit by hashes, those that are there already included.

The form of the hash is a copy of what it was at this revision: what the code makes of an entry may
change, what has been migrated may not.
"""

import hashlib
import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

AUDIT = sa.table(
    "audit",
    sa.column("audit_id", sa.Integer()),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("actor", sa.Text()),
    sa.column("action", sa.Text()),
    sa.column("study_instance_uid", sa.Text()),
    sa.column("run_id", sa.Text()),
    sa.column("detail", sa.Text()),
    sa.column("previous_hash", sa.Text()),
    sa.column("hash", sa.Text()),
)

GENESIS = "0" * 64


def upgrade() -> None:
    """Add the hashes, chain what is there, and note the head."""
    head = op.create_table(
        "audit_head",
        sa.Column("head_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("head_id", name="pk_audit_head"),
    )
    _may_be_changed()
    for name in ("previous_hash", "hash"):
        op.add_column("audit", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_audit_at", "audit", ["at"])
    last_id, last_hash = _chain_all()
    _write_once()
    op.bulk_insert(head, [{"head_id": 1, "audit_id": last_id, "hash": last_hash}])


def downgrade() -> None:
    """Forget the hashes."""
    op.drop_table("audit_head")
    _may_be_changed()
    op.drop_index("ix_audit_at", "audit")
    for name in ("previous_hash", "hash"):
        op.drop_column("audit", name)
    _write_once()


def _chain_all() -> tuple[int, str]:
    """Chain each row to the one before; a gap in the old numbers stays a gap."""
    connection = op.get_bind()
    last_id, last_hash = 0, GENESIS
    for row in connection.execute(sa.select(AUDIT).order_by(AUDIT.c.audit_id)).fetchall():
        digest = _digest(row, last_hash)
        connection.execute(
            sa.update(AUDIT)
            .where(AUDIT.c.audit_id == row.audit_id)
            .values(previous_hash=last_hash, hash=digest)
        )
        last_id, last_hash = row.audit_id, digest
    return last_id, last_hash


def _digest(row: sa.Row[tuple[object, ...]], previous: str) -> str:
    at: datetime = row.at if row.at.tzinfo else row.at.replace(tzinfo=UTC)  # SQLite has no zones
    content = [
        "dicom-node audit 1",
        previous,
        row.audit_id,
        at.astimezone(UTC).isoformat(timespec="microseconds"),
        row.actor,
        row.action,
        row.study_instance_uid,
        row.run_id,
        row.detail,
    ]
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _may_be_changed() -> None:
    """Lift the triggers of revision 0001 for the length of this migration."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_write_once ON audit")
        return
    for verb in ("update", "delete"):
        op.execute(f"DROP TRIGGER audit_write_once_{verb}")


def _write_once() -> None:
    """Let the database itself refuse to change or delete what was written down."""
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER audit_write_once BEFORE UPDATE OR DELETE ON audit "
            "FOR EACH ROW EXECUTE FUNCTION audit_write_once()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_write_once_{verb.lower()} BEFORE {verb} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
        )
