"""Keep what models in the shadow say, and publish every model that a worker knows."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WORD = sa.String(64)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of shadow readings; key the published models by kind and name."""
    op.create_table(
        "shadow_readings",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.Text(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("priority", WORD, nullable=True),
        sa.Column("elapsed_ms", sa.Float(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_shadow_readings_run_id"),
        sa.PrimaryKeyConstraint("run_id", name="pk_shadow_readings"),
    )
    op.create_table(
        "shadow_findings",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("presence", WORD, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["shadow_readings.run_id"], name="fk_shadow_findings_run_id"
        ),
        sa.PrimaryKeyConstraint("run_id", "position", name="pk_shadow_findings"),
    )
    with op.batch_alter_table("served_models") as table:
        table.add_column(sa.Column("state", WORD, nullable=False, server_default="served"))
        table.drop_constraint("pk_served_models", type_="primary")
        table.create_primary_key("pk_served_models", ["kind", "name"])
    with op.batch_alter_table("served_models") as table:
        table.alter_column("state", server_default=None)


def downgrade() -> None:
    """Drop the tables, and forget every model but those served."""
    op.drop_table("shadow_findings")
    op.drop_table("shadow_readings")
    op.execute("DELETE FROM served_models WHERE state <> 'served'")
    with op.batch_alter_table("served_models") as table:
        table.drop_constraint("pk_served_models", type_="primary")
        table.create_primary_key("pk_served_models", ["kind"])
        table.drop_column("state")
