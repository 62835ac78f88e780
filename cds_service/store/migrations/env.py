"""Run by Alembic: the revisions are applied on the connection and in the transaction of ``store.migrate``."""

from __future__ import annotations

from alembic import context

from cds_service.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
