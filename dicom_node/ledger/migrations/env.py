"""Run migrations on the connection that `dicom_node.ledger.migration` hands over."""

from alembic import context

from dicom_node.ledger import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.RunRow.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
