"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
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
    _integration()
    _term()
    _course()
    _run()
    _run_count()
    _item()
    _package_version()
    _schedule()
    _pause()
    _api_token()
    _audit_event()
    _event()


def _integration() -> None:
    op.create_table(
        "integration",
        sa.Column("name", NAME, nullable=False),
        sa.Column("connector", STRING, nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("halted_reason", TEXT, nullable=True),
        sa.Column("halted_at", MOMENT, nullable=True),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("check_steps", sa.JSON(), nullable=False),
        sa.Column("terms_refreshed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_integration")),
    )


def _term() -> None:
    op.create_table(
        "term",
        sa.Column("integration", NAME, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("sis_id", TEXT, nullable=True),
        sa.Column("start_at", MOMENT, nullable=True),
        sa.Column("end_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["integration"], ["integration.name"], name=op.f("fk_term_integration_integration")),
        sa.PrimaryKeyConstraint("integration", "id", name=op.f("pk_term")),
    )


def _course() -> None:
    op.create_table(
        "course",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("integration", NAME, nullable=False),
        sa.Column("course_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=True),
        sa.Column("sis_id", TEXT, nullable=True),
        sa.Column("term_name", TEXT, nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("url", TEXT, nullable=True),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("package_id", STRING, nullable=True),
        sa.Column("package_version", sa.Integer(), nullable=True),
        sa.Column("search_text", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course")),
        sa.UniqueConstraint("integration", "course_id", name=op.f("uq_course_integration_course_id")),
    )


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("integration", NAME, nullable=False),
        sa.Column("source", STRING, nullable=False),
        sa.Column("on_existing", STRING, nullable=False),
        sa.Column("status", WORD, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("note", TEXT, nullable=True),
        sa.Column("created_by", STRING, nullable=False),
        sa.Column("schedule", STRING, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("reimport_of", BIG_ID, nullable=True),
        sa.Column("idempotency_key", STRING, nullable=True),
        sa.Column("request_digest", STRING, nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["integration"], ["integration.name"], name=op.f("fk_run_integration_integration")),
        sa.ForeignKeyConstraint(["reimport_of"], ["run.id"], name=op.f("fk_run_reimport_of_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("created_by", "idempotency_key", name=op.f("uq_run_created_by_idempotency_key")),
    )
    op.create_index(op.f("ix_run_integration_id"), "run", ["integration", "id"])
    op.create_index(op.f("ix_run_status_id"), "run", ["status", "id"])


def _run_count() -> None:
    op.create_table(
        "run_count",
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("processing", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("not_found", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("failed_reimported", sa.Integer(), nullable=False),
        sa.Column("canceled", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("gaps", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_run_count_run_id_run")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_count")),
    )


def _item() -> None:
    op.create_table(
        "item",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("run_id", BIG_ID, nullable=False),
        sa.Column("ref", TEXT, nullable=False),
        sa.Column("course_id", TEXT, nullable=True),
        sa.Column("course_name", TEXT, nullable=True),
        sa.Column("course_code", TEXT, nullable=True),
        sa.Column("status", WORD, nullable=False),
        sa.Column("reason", STRING, nullable=True),
        sa.Column("detail", TEXT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("gaps", sa.Integer(), nullable=False),
        sa.Column("package_id", STRING, nullable=True),
        sa.Column("package_version", sa.Integer(), nullable=True),
        sa.Column("archived_in_run", BIG_ID, nullable=True),
        sa.Column("reimported_by", BIG_ID, nullable=True),
        sa.Column("reimport_of", BIG_ID, nullable=True),
        sa.Column("not_before", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_item_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item")),
        sa.UniqueConstraint("run_id", "ref", name=op.f("uq_item_run_id_ref")),
    )
    op.create_index(
        "ix_item_due",
        "item",
        ["run_id", "not_before"],
        sqlite_where=sa.text("not_before IS NOT NULL"),
        postgresql_where=sa.text("not_before IS NOT NULL"),
    )
    op.create_index("ix_item_run_id_id", "item", ["run_id", "id"])
    op.create_index("ix_item_run_id_status_id", "item", ["run_id", "status", "id"])
    op.create_index(
        "uq_item_run_id_course_id",
        "item",
        ["run_id", "course_id"],
        unique=True,
        sqlite_where=sa.text("course_id IS NOT NULL"),
        postgresql_where=sa.text("course_id IS NOT NULL"),
    )


def _package_version() -> None:
    op.create_table(
        "package_version",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("package_id", STRING, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("integration", NAME, nullable=False),
        sa.Column("course_id", TEXT, nullable=False),
        sa.Column("course_name", TEXT, nullable=False),
        sa.Column("run_id", BIG_ID, nullable=True),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("path", STRING, nullable=False),
        sa.Column("payload_bytes", BIG_ID, nullable=False),
        sa.Column("payload_files", sa.Integer(), nullable=False),
        sa.Column("gaps", sa.Integer(), nullable=False),
        sa.Column("completeness", STRING, nullable=False),
        sa.Column("verified_at", MOMENT, nullable=True),
        sa.Column("valid", sa.Boolean(), nullable=True),
        sa.Column("search_text", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package_version")),
        sa.UniqueConstraint("package_id", "version", name=op.f("uq_package_version_package_id_version")),
    )
    op.create_index(
        op.f("ix_package_version_integration_course_id_version"),
        "package_version",
        ["integration", "course_id", "version"],
    )


def _schedule() -> None:
    op.create_table(
        "schedule",
        sa.Column("name", NAME, nullable=False),
        sa.Column("integration", NAME, nullable=False),
        sa.Column("cron", STRING, nullable=False),
        sa.Column("time_zone", STRING, nullable=False),
        sa.Column("source", STRING, nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("ended_for", STRING, nullable=True),
        sa.Column("ended_by", STRING, nullable=False),
        sa.Column("include", sa.JSON(), nullable=False),
        sa.Column("exclude", sa.JSON(), nullable=False),
        sa.Column("on_existing", STRING, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("declared", sa.Boolean(), nullable=False),
        sa.Column("created_by", STRING, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_fired_at", MOMENT, nullable=True),
        sa.Column("last_run_id", BIG_ID, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedule")),
    )


def _pause() -> None:
    op.create_table(
        "pause",
        sa.Column("level", WORD, nullable=False),
        sa.Column("target", NAME, nullable=False),
        sa.Column("by", STRING, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("level", "target", name=op.f("pk_pause")),
    )


def _api_token() -> None:
    op.create_table(
        "api_token",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("name", STRING, nullable=False),
        sa.Column("scope", STRING, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_token_digest")),
    )
    op.create_index(
        "uq_api_token_name",
        "api_token",
        ["name"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )


def _audit_event() -> None:
    op.create_table(
        "audit_event",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", STRING, nullable=False),
        sa.Column("action", STRING, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("result", TEXT, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_index(op.f("ix_audit_event_action_id"), "audit_event", ["action", "id"])
    op.create_index(op.f("ix_audit_event_who_id"), "audit_event", ["who", "id"])


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", STRING, nullable=False),
        sa.Column("run_id", BIG_ID, nullable=True),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
