"""Keep a digest of the images that a run's report rests on, and what the archive does not hold."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0030"


def upgrade() -> None:
    """Add column and table; of what was read before nobody knows."""
    op.add_column("runs", sa.Column("evidence_digest", sa.Text(), nullable=True))
    op.create_table(
        "posts",
        sa.Column("sop_instance_uid", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", name="pk_posts"),
    )


def downgrade() -> None:
    """Drop them; what was not sent by then never is."""
    op.drop_table("posts")
    op.drop_column("runs", "evidence_digest")
