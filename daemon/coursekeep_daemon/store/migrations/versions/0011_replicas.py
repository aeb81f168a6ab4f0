"""How the replicas of the archive stand, for every daemon to tell, and for the next leader to go on from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# spelt out here, not imported: a migration must not change when the models do
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
# text is ordered by code point on every database, whatever language a server was set up for
STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "replica",
        sa.Column("address", STRING, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("away_since", MOMENT, nullable=True),
        sa.Column("behind", sa.Integer(), nullable=False),
        sa.Column("behind_why", sa.JSON(), nullable=False),
        sa.Column("compared_at", MOMENT, nullable=True),
        sa.Column("copying", sa.Boolean(), nullable=False),
        sa.Column("noted_at", MOMENT, nullable=False),
        sa.Column("told_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["told_id"], ["notification.id"], name=op.f("fk_replica_told_id_notification")),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_replica")),
    )
