"""Schedules: why the last time failed, a number for each change of the rule, and the runs of one schedule."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# text is ordered by code point on every database, whatever language a server was set up for
TEXT = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("schedule", sa.Column("last_error", TEXT, nullable=True))
    op.add_column("schedule", sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    op.create_index(
        op.f("ix_run_schedule_id"),
        "run",
        ["schedule", "id"],
        sqlite_where=sa.text("schedule IS NOT NULL"),
        postgresql_where=sa.text("schedule IS NOT NULL"),
    )
