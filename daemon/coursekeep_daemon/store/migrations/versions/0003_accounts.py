"""Accounts: users, their sessions and failed sign-ins; tokens belong to users; the audit can be filtered by target."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
# text is ordered by code point on every database, whatever language a server was set up for
WORD = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.String(collation="C"), "postgresql")

_ROLES = {"read": "viewer", "operate": "operator", "admin": "administrator"}


def upgrade() -> None:
    _user_account()
    _user_session()
    _sign_in_failure()
    op.add_column("api_token", sa.Column("user_id", BIG_ID, nullable=True))
    op.create_index(op.f("ix_audit_event_target_id"), "audit_event", ["target", "id"])
    op.create_index(op.f("ix_audit_event_at_id"), "audit_event", ["at", "id"])
    _give_tokens_owners()


def _user_account() -> None:
    op.create_table(
        "user_account",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("password_hash", STRING, nullable=True),
        sa.Column("issuer", TEXT, nullable=True),
        sa.Column("subject", TEXT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("last_signed_in_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("name_key", name=op.f("uq_user_account_name_key")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_user_account_issuer_subject")),
    )


def _user_session() -> None:
    op.create_table(
        "user_session",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("user_id", BIG_ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("agent", TEXT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_user_session_user_id_user_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_session")),
        sa.UniqueConstraint("digest", name=op.f("uq_user_session_digest")),
    )
    op.create_index(op.f("ix_user_session_user_id"), "user_session", ["user_id"])


def _sign_in_failure() -> None:
    op.create_table(
        "sign_in_failure",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("succeeded_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_failure")),
    )


def _give_tokens_owners() -> None:
    """Make an account without a password for every name that tokens were made with."""
    connection = op.get_bind()
    tokens = connection.execute(sa.text("SELECT id, name, scope, created_at FROM api_token ORDER BY id")).all()
    order = list(_ROLES)
    owners: dict[str, int] = {}
    highest: dict[str, str] = {}
    for _, name, scope, _ in tokens:
        key = name.casefold()
        highest[key] = max(highest.get(key, "read"), scope, key=order.index)
    for token_id, name, _, created_at in tokens:
        key = name.casefold()
        if key not in owners:
            connection.execute(
                sa.text(
                    "INSERT INTO user_account (name, name_key, role, created_at) VALUES (:name, :key, :role, :created)"
                ),
                {"name": name, "key": key, "role": _ROLES[highest[key]], "created": created_at},
            )
            owner = connection.execute(sa.text("SELECT id FROM user_account WHERE name_key = :key"), {"key": key})
            owners[key] = owner.scalar_one()
        connection.execute(
            sa.text("UPDATE api_token SET user_id = :owner WHERE id = :id"), {"owner": owners[key], "id": token_id}
        )
