"""Keep what became of each image of a study."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Add the column; what older versions read has no account."""
    op.add_column("runs", sa.Column("images", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("runs", "images")
