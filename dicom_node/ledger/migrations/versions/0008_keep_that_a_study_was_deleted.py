"""Keep that a study was deleted from the archive: its row leaves the list, its history stays."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; every study that has a row counts as there until the archive is asked."""
    op.add_column("studies", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("studies", "gone_at")
