"""Links of reimports: the run that archived a failed course later, and the ways from the old to the new."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # plainly, not in a batch: that would copy a table of millions of items
    op.add_column("item", sa.Column("reimported_in_run", BIG_ID, nullable=True))
    for table in ("item", "run"):
        op.create_index(
            op.f(f"ix_{table}_reimport_of"),
            table,
            ["reimport_of"],
            sqlite_where=sa.text("reimport_of IS NOT NULL"),
            postgresql_where=sa.text("reimport_of IS NOT NULL"),
        )
