"""Keep when a run was last asked for, and how many workers died of it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TIME = sa.DateTime(timezone=True)
LONG_AGO = "1970-01-01 00:00:00+00:00"
"""SQLite adds no column without a value; every row gets its own in the next statement."""


def upgrade() -> None:
    """Add the columns; what is there was asked for when it was made, and has killed nobody."""
    op.add_column("runs", sa.Column("asked_at", TIME, nullable=False, server_default=LONG_AGO))
    op.execute("UPDATE runs SET asked_at = created_at")
    op.add_column("runs", sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("runs", "deaths")
    op.drop_column("runs", "asked_at")
