"""Counts of what was not understood by service, so that each pack is told its own.

The service is part of the primary key, which SQLite cannot change, so the table is made anew. Of what was counted
before nobody knows the service; it is ``''``.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.rename_table("not_understood", "not_understood_before")
    op.create_table(
        "not_understood",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("system", sa.Text, primary_key=True),
        sa.Column("times", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO not_understood (day, service, kind, system, times) "
        "SELECT day, '', kind, system, times FROM not_understood_before"
    )
    op.drop_table("not_understood_before")
