"""Alembic's environment: run the revisions on the connection that `ledger.record.schema` gives."""

from __future__ import annotations

from alembic import context

# The caller's transaction holds every revision and commits once: all of them or none.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
