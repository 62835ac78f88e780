"""Counts of calls whose orders were judged, by the content and the site's settings that judged them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "judged",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column("times", sa.BigInteger, nullable=False),
    )
