"""Keep how urgent a run is, when it is handed over again, and what was stored when."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

WORD = sa.String(64)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns; what waits already is ROUTINE and is handed over once more."""
    with op.batch_alter_table("runs") as table:
        table.add_column(sa.Column("urgency", WORD, nullable=False, server_default="ROUTINE"))
        table.add_column(sa.Column("stored_digest", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("again_at", TIME, nullable=True))
    op.execute("UPDATE runs SET again_at = handed_over_at")


def downgrade() -> None:
    """Drop the columns."""
    with op.batch_alter_table("runs") as table:
        table.drop_column("again_at")
        table.drop_column("stored_digest")
        table.drop_column("urgency")
