"""What all processes together may ask of an LMS, and how it is divided among them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# text is ordered by code point on every database, whatever language a server was set up for
NAME = sa.String(200).with_variant(sa.String(collation="C"), "postgresql")
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "budget",
        sa.Column("name", NAME, nullable=False),
        sa.Column("allowed", sa.Float(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("round", BIG, nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_budget")),
    )
    op.create_table(
        "budget_member",
        sa.Column("budget", NAME, nullable=False),
        sa.Column("member", NAME, nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("wants", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("budget", "member", name=op.f("pk_budget_member")),
    )
