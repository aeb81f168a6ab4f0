"""Notifications, and how they reach their targets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# spelt out here, not imported: a migration must not change when the models do
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
# text is ordered by code point on every database, whatever language a server was set up for
NAME = sa.String(200).with_variant(sa.String(collation="C"), "postgresql")
WORD = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    _notification()
    _delivery()


def _notification() -> None:
    op.create_table(
        "notification",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("uid", WORD, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("integration", NAME, nullable=True),
        sa.Column("run_id", BIG_ID, nullable=True),
        sa.Column("recovers", BIG_ID, nullable=True),
        sa.Column("addressed_at", MOMENT, nullable=True),
        sa.Column("told_at", MOMENT, nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["recovers"], ["notification.id"], name=op.f("fk_notification_recovers_notification")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("recovers", name=op.f("uq_notification_recovers")),
        sa.UniqueConstraint("run_id", "kind", name=op.f("uq_notification_run_id_kind")),
        sa.UniqueConstraint("uid", name=op.f("uq_notification_uid")),
    )
    op.create_index(op.f("ix_notification_kind_id"), "notification", ["kind", "id"])
    _partial("ix_notification_unaddressed", "notification", ["id"], "addressed_at IS NULL")


def _delivery() -> None:
    op.create_table(
        "notification_delivery",
        sa.Column("notification_id", BIG_ID, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=True),
        sa.Column("delivered_at", MOMENT, nullable=True),
        sa.Column("last_error", TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notification.id"],
            name=op.f("fk_notification_delivery_notification_id_notification"),
        ),
        sa.PrimaryKeyConstraint("notification_id", "target", name=op.f("pk_notification_delivery")),
    )
    table, columns = "notification_delivery", ["target", "notification_id"]
    _partial("ix_notification_delivery_pending", table, columns, "state = 'pending'")


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(op.f(name), table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
