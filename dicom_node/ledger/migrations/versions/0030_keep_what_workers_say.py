"""Keep what workers and destinations say, when deliveries were planned, and what was passed by.

Where a worker kept an object's file is no longer of interest: the archive has it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0010"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add them; what is reported by now was planned by its worker and is not sent again."""
    op.create_table(
        "workers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )
    op.create_table(
        "wishes",
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("writer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "writer", name="pk_wishes"),
    )
    op.create_table(
        "stepped_over",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("orthanc_id", sa.Text(), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("kind", "orthanc_id", name="pk_stepped_over"),
    )
    op.add_column("runs", sa.Column("planned_at", TIME))
    op.execute("UPDATE runs SET planned_at = finished_at WHERE state = 'REPORTED'")
    op.execute("UPDATE deliveries SET due_at = NULL WHERE state = 'WITHDRAWN'")
    op.drop_column("deliveries", "file")


def downgrade() -> None:
    """Drop them."""
    op.add_column("deliveries", sa.Column("file", sa.Text(), nullable=False, server_default=""))
    op.drop_column("runs", "planned_at")
    op.drop_table("stepped_over")
    op.drop_table("wishes")
    op.drop_table("workers")
