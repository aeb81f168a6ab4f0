"""The tables, as SQLModel models. Queries use the `Table` objects below: the hot path has no use for row objects."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, MetaData, Table, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store.records import PauseLevel, Role
from coursekeep_daemon.store.types import BIG_ID, CleanString, CleanText, UtcDateTime, words

__all__ = [
    "METADATA",
    "api_token",
    "audit_event",
    "course",
    "day_count",
    "event",
    "integration",
    "item",
    "package_version",
    "pause",
    "run",
    "run_count",
    "schedule",
    "sign_in_failure",
    "term",
    "user_account",
    "user_session",
]

#: constraints need names, so that later migrations can find them on every database
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(SQLModel):
    """Base of the models: gives Coursekeep's tables a catalogue of their own."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMES)


def _id() -> Any:
    return Field(default=None, primary_key=True, sa_type=BIG_ID)


def _references(target: str, **more: Any) -> Any:
    return Field(sa_type=BIG_ID, sa_column_args=(ForeignKey(target),), **more)


def _present(name: str, column: str, *more: str) -> Index:
    """Return an index of the few rows that have a value in a column."""
    condition = f"{column} IS NOT NULL"
    return Index(name, column, *more, sqlite_where=text(condition), postgresql_where=text(condition))


class IntegrationRow(Base, table=True):
    """A configured LMS. Rows stay when an integration leaves the settings: runs and packages refer to it."""

    __tablename__ = "integration"

    name: str = Field(primary_key=True, sa_type=CleanString(200))
    connector: str = Field(sa_type=CleanString)
    source: dict[str, Any] = Field(sa_type=JSON)
    halted_reason: str | None = Field(default=None, sa_type=CleanText)
    halted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    checked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    check_steps: list[dict[str, Any]] = Field(sa_type=JSON)
    terms_refreshed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class TermRow(Base, table=True):
    """A cached term. `position` keeps the LMS's own order."""

    __tablename__ = "term"

    integration: str = Field(primary_key=True, sa_type=CleanString(200), foreign_key="integration.name")
    id: str = Field(primary_key=True, sa_type=CleanText)
    position: int
    name: str = Field(sa_type=CleanText)
    sis_id: str | None = Field(default=None, sa_type=CleanText)
    start_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CourseRow(Base, table=True):
    """The catalogue. No foreign key to the integration: a recovered archive may know courses of one long gone."""

    __tablename__ = "course"
    __table_args__ = (UniqueConstraint("integration", "course_id"),)

    id: int | None = _id()
    integration: str = Field(sa_type=CleanString(200))
    course_id: str = Field(sa_type=CleanText)
    name: str = Field(sa_type=CleanText)
    code: str | None = Field(default=None, sa_type=CleanText)
    sis_id: str | None = Field(default=None, sa_type=CleanText)
    term_name: str | None = Field(default=None, sa_type=CleanText)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    url: str | None = Field(default=None, sa_type=CleanText)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    package_id: str | None = Field(default=None, sa_type=CleanString)
    package_version: int | None = None
    #: name, code and ids, case folded: databases disagree about the case of letters beyond ASCII
    search_text: str = Field(sa_type=CleanText)


class RunRow(Base, table=True):
    """A run. Its counters live in `run_count`: they change all the time, and `params` may hold 200,000 ids."""

    __tablename__ = "run"
    __table_args__ = (
        UniqueConstraint("created_by", "idempotency_key"),
        Index(None, "status", "id"),
        Index(None, "integration", "id"),
        _present("ix_run_reimport_of", "reimport_of"),
        _present("ix_run_schedule_id", "schedule", "id"),
    )

    id: int | None = _id()
    integration: str = Field(sa_type=CleanString(200), foreign_key="integration.name")
    source: str = Field(sa_type=CleanString)
    on_existing: str = Field(sa_type=CleanString)
    status: RunStatus = Field(sa_type=words(RunStatus))
    reason: str | None = Field(default=None, sa_type=CleanText)
    note: str | None = Field(default=None, sa_type=CleanText)
    created_by: str = Field(sa_type=CleanString)
    schedule: str | None = Field(default=None, sa_type=CleanString)
    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reimport_of: int | None = _references("run.id", default=None)
    idempotency_key: str | None = Field(default=None, sa_type=CleanString)
    #: SHA-256 of the request, to tell a repeated request from another under the same key
    request_digest: str = Field(sa_type=CleanString)
    # last: SQLite reads a row up to the columns asked for, and these two may be long
    options: dict[str, Any] = Field(sa_type=JSON)
    params: dict[str, Any] = Field(sa_type=JSON)


class RunCountRow(Base, table=True):
    """Items per status of one run, kept by the writer, always equal to GROUP BY. Columns are named by the statuses."""

    __tablename__ = "run_count"

    run_id: int = _references("run.id", primary_key=True)
    queued: int = 0
    processing: int = 0
    completed: int = 0
    failed: int = 0
    not_found: int = 0
    skipped: int = 0
    failed_reimported: int = 0
    canceled: int = 0
    total: int = 0
    gaps: int = 0


class DayCountRow(Base, table=True):
    """Items that ended on one day (UTC) in one status, kept by the writer, always equal to GROUP BY."""

    __tablename__ = "day_count"

    day: date = Field(primary_key=True)
    integration: str = Field(primary_key=True, sa_type=CleanString(200))
    #: never `failed_reimported`: that item failed on its day
    status: ItemStatus = Field(primary_key=True, sa_type=words(ItemStatus))
    count: int


class ItemRow(Base, table=True):
    """A course import. The integration is the run's."""

    __tablename__ = "item"
    __table_args__ = (
        UniqueConstraint("run_id", "ref"),
        Index("ix_item_run_id_id", "run_id", "id"),
        Index("ix_item_run_id_status_id", "run_id", "status", "id"),
        Index(
            "uq_item_run_id_course_id",
            "run_id",
            "course_id",
            unique=True,
            sqlite_where=text("course_id IS NOT NULL"),
            postgresql_where=text("course_id IS NOT NULL"),
        ),
        Index(
            "ix_item_due",
            "run_id",
            "not_before",
            sqlite_where=text("not_before IS NOT NULL"),
            postgresql_where=text("not_before IS NOT NULL"),
        ),
        _present("ix_item_reimport_of", "reimport_of"),
    )

    id: int | None = _id()
    run_id: int = _references("run.id")
    ref: str = Field(sa_type=CleanText)
    course_id: str | None = Field(default=None, sa_type=CleanText)
    course_name: str | None = Field(default=None, sa_type=CleanText)
    course_code: str | None = Field(default=None, sa_type=CleanText)
    status: ItemStatus = Field(sa_type=words(ItemStatus))
    reason: str | None = Field(default=None, sa_type=CleanString)
    detail: str | None = Field(default=None, sa_type=CleanText)
    attempts: int = 0
    gaps: int = 0
    package_id: str | None = Field(default=None, sa_type=CleanString)
    package_version: int | None = None
    archived_in_run: int | None = Field(default=None, sa_type=BIG_ID)
    reimported_by: int | None = Field(default=None, sa_type=BIG_ID)
    reimport_of: int | None = Field(default=None, sa_type=BIG_ID)
    reimported_in_run: int | None = Field(default=None, sa_type=BIG_ID)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class PackageVersionRow(Base, table=True):
    """A version of a package. No foreign keys: a version found in the archive may name a run of an earlier store."""

    __tablename__ = "package_version"
    __table_args__ = (
        UniqueConstraint("package_id", "version"),
        Index(None, "integration", "course_id", "version"),
        Index(None, "verified_at", "id"),
    )

    id: int | None = _id()
    package_id: str = Field(sa_type=CleanString)
    version: int
    integration: str = Field(sa_type=CleanString(200))
    course_id: str = Field(sa_type=CleanText)
    course_name: str = Field(sa_type=CleanText)
    run_id: int | None = Field(default=None, sa_type=BIG_ID)
    item_id: int | None = Field(default=None, sa_type=BIG_ID)
    created_at: datetime = Field(sa_type=UtcDateTime)
    path: str = Field(sa_type=CleanString)
    payload_bytes: int = Field(sa_type=BIG_ID)
    payload_files: int
    gaps: int
    completeness: str = Field(sa_type=CleanString)
    verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    valid: bool | None = None
    search_text: str = Field(sa_type=CleanText)


class ScheduleRow(Base, table=True):
    """A rule that starts runs."""

    __tablename__ = "schedule"

    name: str = Field(primary_key=True, sa_type=CleanString(200))
    integration: str = Field(sa_type=CleanString(200))
    cron: str = Field(sa_type=CleanString)
    time_zone: str = Field(sa_type=CleanString)
    source: str = Field(sa_type=CleanString)
    params: dict[str, Any] = Field(sa_type=JSON)
    ended_for: str | None = Field(default=None, sa_type=CleanString)
    ended_by: str = Field(sa_type=CleanString)
    include: list[str] = Field(sa_type=JSON)
    exclude: list[str] = Field(sa_type=JSON)
    on_existing: str = Field(sa_type=CleanString)
    enabled: bool
    declared: bool
    created_by: str = Field(sa_type=CleanString)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_fired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_run_id: int | None = Field(default=None, sa_type=BIG_ID)
    last_error: str | None = Field(default=None, sa_type=CleanText)
    revision: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    times_since: datetime | None = Field(default=None, sa_type=UtcDateTime)


class PauseRow(Base, table=True):
    """A pause in force."""

    __tablename__ = "pause"

    level: PauseLevel = Field(primary_key=True, sa_type=words(PauseLevel))
    target: str = Field(primary_key=True, sa_type=CleanString(200))
    by: str = Field(sa_type=CleanString)
    at: datetime = Field(sa_type=UtcDateTime)


class UserAccountRow(Base, table=True):
    """Someone who may use Coursekeep. Never deleted: runs and audit events name them."""

    __tablename__ = "user_account"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: int | None = _id()
    name: str = Field(sa_type=CleanText)
    #: case folded, so that nobody is taken for somebody else
    name_key: str = Field(sa_type=CleanText, unique=True)
    role: Role = Field(sa_type=words(Role))
    password_hash: str | None = Field(default=None, sa_type=CleanString)
    issuer: str | None = Field(default=None, sa_type=CleanText)
    subject: str | None = Field(default=None, sa_type=CleanText)
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_signed_in_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class UserSessionRow(Base, table=True):
    """A browser that is signed in: the SHA-256 of what its cookie holds."""

    __tablename__ = "user_session"
    __table_args__ = (Index(None, "user_id"),)

    id: int | None = _id()
    user_id: int = _references("user_account.id")
    digest: bytes = Field(sa_type=LargeBinary, unique=True)
    agent: str = Field(sa_type=CleanText)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)


class SignInFailureRow(Base, table=True):
    """Attempts to sign in that failed in a row, by the digest of what they had in common: a name, an address."""

    __tablename__ = "sign_in_failure"

    key: bytes = Field(primary_key=True, sa_type=LargeBinary)
    count: int
    last_at: datetime = Field(sa_type=UtcDateTime)
    succeeded_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ApiTokenRow(Base, table=True):
    """A bearer token: its SHA-256, never itself."""

    __tablename__ = "api_token"
    __table_args__ = (
        Index(
            "uq_api_token_name",
            "name",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: int | None = _id()
    name: str = Field(sa_type=CleanString)
    scope: str = Field(sa_type=CleanString)
    digest: bytes = Field(sa_type=LargeBinary, unique=True)
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    #: whose it is; no foreign key, which SQLite could only add by copying the table
    user_id: int | None = Field(default=None, sa_type=BIG_ID)


class AuditEventRow(Base, table=True):
    """Who did what. Never changed, never deleted."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index(None, "who", "id"),
        Index(None, "action", "id"),
        Index(None, "target", "id"),
        Index(None, "at", "id"),
    )

    id: int | None = _id()
    at: datetime = Field(sa_type=UtcDateTime)
    who: str = Field(sa_type=CleanString)
    action: str = Field(sa_type=CleanString)
    target: str = Field(sa_type=CleanText)
    result: str = Field(sa_type=CleanText)
    detail: dict[str, Any] = Field(sa_type=JSON)


class EventRow(Base, table=True):
    """A change that listeners are told. The newest are kept."""

    __tablename__ = "event"

    id: int | None = _id()
    at: datetime = Field(sa_type=UtcDateTime)
    kind: str = Field(sa_type=CleanString)
    run_id: int | None = Field(default=None, sa_type=BIG_ID)
    item_id: int | None = Field(default=None, sa_type=BIG_ID)
    data: dict[str, Any] = Field(sa_type=JSON)


METADATA: MetaData = Base.metadata
_tables = METADATA.tables

integration: Table = _tables["integration"]
term: Table = _tables["term"]
course: Table = _tables["course"]
run: Table = _tables["run"]
run_count: Table = _tables["run_count"]
day_count: Table = _tables["day_count"]
item: Table = _tables["item"]
package_version: Table = _tables["package_version"]
schedule: Table = _tables["schedule"]
pause: Table = _tables["pause"]
api_token: Table = _tables["api_token"]
audit_event: Table = _tables["audit_event"]
event: Table = _tables["event"]
user_account: Table = _tables["user_account"]
user_session: Table = _tables["user_session"]
sign_in_failure: Table = _tables["sign_in_failure"]
