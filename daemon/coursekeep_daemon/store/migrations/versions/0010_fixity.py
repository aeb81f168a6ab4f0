"""Fixity: the package whose verification is oldest is found at once, and what was found wrong is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# spelt out here, not imported: a migration must not change when the models do
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
# text is ordered by code point on every database, whatever language a server was set up for
NAME = sa.String(200).with_variant(sa.String(collation="C"), "postgresql")
WORD = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_index(op.f("ix_package_version_verified_at_id"), "package_version", ["verified_at", "id"])
    op.create_table(
        "fixity_finding",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("package_id", STRING, nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("integration", NAME, nullable=False),
        sa.Column("course_id", TEXT, nullable=False),
        sa.Column("course_name", TEXT, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("problem_count", sa.Integer(), nullable=False),
        sa.Column("tried_at", MOMENT, nullable=True),
        sa.Column("detail", TEXT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("closed_by", STRING, nullable=True),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fixity_finding")),
    )
    op.create_index(op.f("ix_fixity_finding_state_id"), "fixity_finding", ["state", "id"])
    unsettled = sa.text("state IN ('open', 'accepted')")
    op.create_index(
        op.f("uq_fixity_finding_package_id"),
        "fixity_finding",
        ["package_id"],
        unique=True,
        sqlite_where=unsettled,
        postgresql_where=unsettled,
    )
    untold = sa.text("NOT told")
    op.create_index(
        op.f("ix_fixity_finding_untold"), "fixity_finding", ["id"], sqlite_where=untold, postgresql_where=untold
    )
