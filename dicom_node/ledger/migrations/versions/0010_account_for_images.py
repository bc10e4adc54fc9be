"""Keep what became of each image of a study."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; what older versions read has no account."""
    for table in ("studies", "runs"):
        op.add_column(table, sa.Column("images", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop the columns."""
    for table in ("runs", "studies"):
        op.drop_column(table, "images")
