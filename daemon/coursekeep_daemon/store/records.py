"""What the store returns: frozen records, never rows. Times are aware, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from coursekeep import Course
from coursekeep_daemon.roles import Role
from coursekeep_daemon.runs.states import ItemStatus, RunStatus

__all__ = [
    "ApiToken",
    "AuditEvent",
    "CatalogueCourse",
    "DayCount",
    "Event",
    "Integration",
    "Item",
    "ItemPlan",
    "ItemResult",
    "PackageVersion",
    "Pause",
    "PauseLevel",
    "Role",
    "Run",
    "Schedule",
    "Session",
    "Slice",
    "StoredTerm",
    "User",
]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice(Generic[T]):
    """Part of a list, with the cursor for what follows; None at the end."""

    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Integration:
    """A configured LMS and how it stands. Configuration itself lives in the settings, not here."""

    name: str
    connector: str
    #: connector and address, without secrets: tells whether a name still means the same LMS
    source: Mapping[str, Any]
    #: set while the credentials must be renewed: why; items stay queued
    halted_reason: str | None = None
    halted_at: datetime | None = None
    checked_at: datetime | None = None
    #: the steps of the last check: [{"name", "ok", "detail", "remedy"}]
    check_steps: list[dict[str, Any]] = field(default_factory=list)
    terms_refreshed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredTerm:
    """A cached term of an integration."""

    integration: str
    id: str
    name: str
    sis_id: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogueCourse:
    """A course as last seen, with its newest package where it has one."""

    id: int
    integration: str
    course_id: str
    name: str
    code: str | None
    sis_id: str | None
    term_name: str | None
    ended_at: datetime | None
    url: str | None
    seen_at: datetime
    #: OCFL object id; None where the course was never archived
    package_id: str | None = None
    package_version: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One request to archive courses."""

    id: int
    integration: str
    source: str
    params: Mapping[str, Any]
    on_existing: str  # skip | refresh
    status: RunStatus
    #: why it failed or was canceled, for people
    reason: str | None
    note: str | None
    #: who asked: name of a token, `schedule:<name>` or `cli`
    created_by: str
    schedule: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: items per status, always equal to GROUP BY; zero statuses included
    counts: Mapping[ItemStatus, int]
    #: number of items; grows while the run is being planned
    total: int
    #: gaps of all completed items
    gaps: int
    #: settings of the request beyond the source: {"include": [...], "exclude": [...]}
    options: Mapping[str, Any] = field(default_factory=dict)
    #: run whose failed items this one takes again
    reimport_of: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DayCount:
    """Items of one integration that ended on one day in one status."""

    #: in UTC
    day: date
    integration: str
    status: ItemStatus
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One course import within a run."""

    id: int
    run_id: int
    integration: str
    #: what was asked for
    ref: str
    course_id: str | None
    course_name: str | None
    course_code: str | None
    status: ItemStatus
    #: stable word: FailReason or SkipReason
    reason: str | None
    #: for people: what happened and what to do
    detail: str | None
    attempts: int
    gaps: int
    package_id: str | None
    package_version: int | None
    #: run that archived it before, for `skipped`
    archived_in_run: int | None
    #: item that succeeded, for `failed_reimported`; and the item that this one takes again
    reimported_by: int | None
    reimport_of: int | None
    not_before: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: run of the item that succeeded
    reimported_in_run: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemPlan:
    """An item to be created. `status` is queued, or what the planner found out at once."""

    ref: str
    status: ItemStatus = ItemStatus.QUEUED
    course_id: str | None = None
    course_name: str | None = None
    course_code: str | None = None
    reason: str | None = None
    detail: str | None = None
    package_id: str | None = None
    package_version: int | None = None
    archived_in_run: int | None = None
    reimport_of: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemResult:
    """How one attempt at an item ended: the new status and what goes with it."""

    item_id: int
    status: ItemStatus
    reason: str | None = None
    detail: str | None = None
    gaps: int = 0
    package_id: str | None = None
    package_version: int | None = None
    archived_in_run: int | None = None
    #: for `queued`: not to be tried again before this moment
    not_before: datetime | None = None
    #: False for `queued` where the attempt must not count (the daemon stops, the disk is full)
    count_attempt: bool = True
    #: a new package version was written: stored with the item in one transaction
    version: PackageVersion | None = None
    #: the course, where the item did not know it and the attempt found it out
    found: Course | None = None
    #: of the lease under which it was done; None where the daemon itself claimed the item
    fence: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageVersion:
    """One version of a package."""

    package_id: str
    version: int
    integration: str
    course_id: str
    course_name: str
    run_id: int | None
    item_id: int | None
    created_at: datetime
    #: path of the object below the archive's root
    path: str
    payload_bytes: int
    payload_files: int
    gaps: int
    #: `complete` or `partial`
    completeness: str
    verified_at: datetime | None = None
    valid: bool | None = None


class PauseLevel(StrEnum):
    """Where a pause holds."""

    ALL = "all"
    INTEGRATION = "integration"
    RUN = "run"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """A pause in force. `target` is the integration's name or the run's id; empty for all."""

    level: PauseLevel
    target: str
    by: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A rule that starts runs."""

    name: str
    integration: str
    cron: str
    time_zone: str
    source: str
    params: Mapping[str, Any]
    #: `6 months`: source `end_date` counts back from the tick
    ended_for: str | None
    #: `course`, `term` or `academic_year`
    ended_by: str
    include: list[str]
    exclude: list[str]
    on_existing: str
    enabled: bool
    #: True where settings.toml declares it: shown, but not edited through API or CLI
    declared: bool
    created_by: str
    created_at: datetime
    last_fired_at: datetime | None = None
    last_run_id: int | None = None
    #: why the last time started no run; None where it did
    last_error: str | None = None
    #: raised by each change of the rule
    revision: int = 1
    #: since when its times are what they are: none before counts as missed; None where that was not noted yet
    times_since: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Someone who may use Coursekeep: a person, or a program that has tokens."""

    id: int
    name: str
    role: Role
    created_at: datetime
    #: None while the account may be used
    disabled_at: datetime | None
    last_signed_in_at: datetime | None
    #: where the account signs in, instead of with a password: an OpenID provider and the account's name there
    issuer: str | None
    subject: str | None
    #: whether the account can sign in with a password; a program's has only tokens
    has_password: bool

    @property
    def signs_in(self) -> bool:
        """Whether the account can sign in to the console at all."""
        return self.has_password or self.issuer is not None

    @property
    def signs_in_with(self) -> str:
        """How the account proves who it is: `password`, `openid` or `tokens` alone."""
        return "openid" if self.issuer is not None else "password" if self.has_password else "tokens"


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A browser in which a user is signed in."""

    id: int
    user_id: int
    #: what the browser says it is, for its user to recognise
    agent: str
    created_at: datetime
    last_used_at: datetime
    #: the latest end, however much it is used
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiToken:
    """A bearer token; only its hash is stored."""

    id: int
    name: str
    scope: str  # read | operate | admin
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    #: whose it is
    user_id: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEvent:
    """Who did what, when, with what result."""

    id: int
    at: datetime
    who: str
    action: str
    target: str
    result: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A change that listeners are told: id grows, so that a listener can resume after one."""

    id: int
    at: datetime
    kind: str  # run | item | integration | hold
    run_id: int | None
    item_id: int | None
    data: Mapping[str, Any]
