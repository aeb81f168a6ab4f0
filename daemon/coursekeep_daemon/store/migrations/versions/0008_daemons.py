"""Several daemons on one database: who they are, what is in the way of all, since when a schedule's times hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# text is ordered by code point on every database, whatever language a server was set up for
NAME = sa.String(200).with_variant(sa.String(collation="C"), "postgresql")
WORD = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
ID = sa.String(32).with_variant(sa.String(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.String(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "trouble",
        sa.Column("kind", WORD, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("reporter", NAME, nullable=False),
        sa.PrimaryKeyConstraint("kind", "target", name=op.f("pk_trouble")),
    )
    op.create_table(
        "daemon",
        sa.Column("id", ID, nullable=False),
        sa.Column("host", NAME, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("leads_since", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daemon")),
    )
    op.add_column("schedule", sa.Column("times_since", MOMENT, nullable=True))
