"""Alembic's entry: run on the connection, and inside the commit, of the caller."""

from alembic import context

from tillbridge.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite's DDL is transactional as long as BEGIN is ours, which it is (ledger/store.py).
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
