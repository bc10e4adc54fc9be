"""Keep a digest of the images that a run's report rests on."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; of what was read before nobody knows."""
    op.add_column("runs", sa.Column("evidence_digest", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("runs", "evidence_digest")
