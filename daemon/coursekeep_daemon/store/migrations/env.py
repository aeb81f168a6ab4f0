"""Alembic's environment: runs migrations on the connection that `schema.py` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from coursekeep_daemon.store.models import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite can roll back DDL; Alembic does not assume so by itself
    transactional_ddl=True,
    # SQLite cannot alter most things in place
    render_as_batch=True,
)
context.run_migrations()
