"""Keep what each worker says of itself, and when a run's deliveries were planned."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0008"

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
    op.add_column("runs", sa.Column("planned_at", TIME))
    op.execute("UPDATE runs SET planned_at = finished_at WHERE state = 'REPORTED'")


def downgrade() -> None:
    """Drop them."""
    op.drop_column("runs", "planned_at")
    op.drop_table("workers")
