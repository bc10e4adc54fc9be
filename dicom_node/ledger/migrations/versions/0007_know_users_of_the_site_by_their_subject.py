"""Know users of the site's provider by issuer and subject, and keep their names beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

WORD = sa.String(64)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table and the columns; who is logged in stays so, under his name alone."""
    op.create_table(
        "site_users",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_site_users"),
    )
    op.add_column("sessions", sa.Column("subject", sa.Text(), nullable=True))
    op.add_column("audit", sa.Column("actor_name", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop them, and end the sessions of whom the older form would take for a namesake.

    Entries of the audit that have a name beside the actor no longer fit their hashes then.
    """
    op.execute("DELETE FROM sessions WHERE subject IS NOT NULL")
    op.drop_column("audit", "actor_name")
    op.drop_column("sessions", "subject")
    op.drop_table("site_users")
