"""What the control API answers and takes: pydantic models, from which OpenAPI and the reference are made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from coursekeep_daemon.expiry import EndBasis, EndState
from coursekeep_daemon.runs.states import ItemStatus, RunStatus

__all__ = [
    "Answer",
    "CatalogueCourse",
    "CheckReport",
    "CheckStep",
    "Health",
    "Hold",
    "Integration",
    "Item",
    "NewReimport",
    "NewRun",
    "OnExisting",
    "Package",
    "PackageVersion",
    "Patterns",
    "Pause",
    "Plugin",
    "Preview",
    "PreviewRow",
    "Progress",
    "Ready",
    "Request",
    "Run",
    "Term",
    "TermsRefreshed",
    "Time",
    "Verification",
    "VerificationProblem",
    "in_utc",
]


def in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC, so that it is written with `Z`."""
    return moment.astimezone(UTC)


Time = Annotated[datetime, AfterValidator(in_utc), WithJsonSchema({"type": "string", "format": "date-time"})]
OnExisting = Literal["skip", "refresh"]
Patterns = Annotated[
    list[str],
    Field(
        max_length=200,
        description="Patterns with * and ?, compared with code, name, SIS id and sub-account of a course; `code:`, "
        "`name:` and `sis:` compare with one of these, `account:` with its sub-account and all above it.",
        examples=[["SANDBOX-*", "account:Faculty of Science"]],
    ),
]


class Answer(BaseModel):
    """Base of answers: made from records by attribute."""

    model_config = ConfigDict(from_attributes=True)


class Request(BaseModel):
    """Base of request bodies: an unknown field is refused, never ignored."""

    model_config = ConfigDict(extra="forbid")


class Health(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str


class Ready(Answer):
    """The daemon can work."""

    ready: Literal[True] = True
    leads: bool = Field(description="Whether this daemon leads: of several on one database, one does. All are ready.")


class Plugin(Answer):
    """A plugin and its state."""

    name: str
    distribution: str | None = Field(None, description="Distribution that brings it.")
    version: str | None = None
    state: str = Field(description="enabled, disabled, failed or bad_settings.")
    reason: str | None = Field(None, description="Why it is not enabled.")
    traceback: str | None = Field(None, description="Where it failed to load: for whoever wrote it.")
    connectors: list[str] = Field(default_factory=list, description="Connectors that it brings.")
    sources: list[str] = Field(default_factory=list, description="Course sources that it brings.")


class Hold(Answer):
    """What holds a run or item, so that it does not go on by itself."""

    level: str = Field(description="all, integration, run, credentials, storage, lms or workers.")
    since: Time | None = None
    reason: str = ""


class CheckStep(Answer):
    """One step of a connector's check."""

    name: str
    ok: bool
    detail: str = ""
    remedy: str = Field("", description="What to do where the step failed.")


class CredentialsEnd(Answer):
    """When credentials end."""

    at: Time = Field(description="The first moment at which they are no good any more.")
    basis: EndBasis = Field(description="Who says so: the settings (`expires_on`), or the credentials themselves.")
    state: EndState = Field(description="good, expiring (within `expiry_notice` days) or expired.")


class Integration(Answer):
    """A configured LMS and how it stands."""

    name: str
    connector: str
    source: Mapping[str, Any] = Field(description="Connector and address, without secrets.")
    halted_reason: str | None = Field(None, description="Why nothing is archived until an operator acts.")
    halted_at: Time | None = None
    checked_at: Time | None = None
    check_steps: list[CheckStep] = Field(default_factory=list, description="Steps of the last check.")
    terms_refreshed_at: Time | None = None
    pauses: list[Hold] = Field(default_factory=list, description="Pauses of all and of this integration, in force.")
    credentials_end: CredentialsEnd | None = Field(None, description="Null where nobody says when they end.")


class CheckReport(Answer):
    """What a check found. A halted integration goes on when every step is ok."""

    ok: bool
    steps: list[CheckStep]


class Term(Answer):
    """A term as last read from the LMS."""

    id: str
    name: str
    sis_id: str | None = None
    start_at: Time | None = None
    end_at: Time | None = None


class TermsRefreshed(Answer):
    """How many terms the LMS has."""

    count: int


class Pause(Answer):
    """A pause in force."""

    level: str = Field(description="all, integration or run.")
    target: str = Field(description="Name of the integration or number of the run; empty for all.")
    by: str = Field(description="Who paused it.")
    at: Time


class Progress(Answer):
    """How far a run is."""

    done: int = Field(description="Items that need no more work.")
    total: int = Field(description="Items so far; grows while the run is being planned.")
    planned: bool = Field(description="Whether all courses of the run are known.")
    percent: float | None = Field(description="Null until all courses are known.")


class NewRun(Request):
    """A request to archive courses."""

    integration: str = Field(description="Name of the integration.", examples=["main"])
    source: str = Field(description="Course source: terms, ids, search, end_date or csv.", examples=["ids"])
    params: dict[str, Any] = Field(
        default_factory=dict,
        description='Parameters of the source: terms `{"terms": ["7"]}`, ids `{"ids": ["1", "sis:BIO-1"]}`, '
        'search `{"text": "biology"}`, end_date `{"before": "2026-08-01"}`, csv `{"text": "course_id\\n1\\n"}`.',
        examples=[{"ids": ["101", "102"]}],
    )
    on_existing: OnExisting = Field(
        "skip", description="What to do with courses that have a package: skip them, or refresh (fetch and compare)."
    )
    note: str | None = Field(None, max_length=1000, description="For people.")
    include: Patterns = Field(default_factory=list, description="Take only courses that match one of these patterns.")
    exclude: Patterns = Field(default_factory=list, description="Leave out courses that match one of these patterns.")


class NewReimport(Request):
    """Which failed items of a run to take again."""

    items: list[Annotated[int, Field(ge=1)]] | None = Field(
        None, min_length=1, max_length=10_000, description="Ids of failed items; all that failed where left out."
    )
    note: str | None = Field(None, max_length=1000, description="For people.")


class Run(Answer):
    """One request to archive courses, and how far it is."""

    id: int
    integration: str
    source: str = Field(description="Course source, or `reimport`.")
    params: Mapping[str, Any] = Field(description="Long texts and lists are cut: see `params_cut`.")
    params_cut: bool = Field(False, description="Whether `params` shows only the beginning of something long.")
    include: list[str] = Field(default_factory=list)
    exclude: list[str] = Field(default_factory=list)
    on_existing: str
    status: RunStatus
    reason: str | None = Field(None, description="Why it failed or was canceled.")
    note: str | None = None
    created_by: str = Field(description="Name of a user, or `schedule:NAME`.")
    schedule: str | None = None
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None
    counts: Mapping[ItemStatus, int] = Field(description="Items per status.")
    total: int
    gaps: int = Field(description="Gaps of all its items.")
    progress: Progress
    hold: Hold | None = Field(None, description="What holds it; null where nothing does.")
    pauses: list[Hold] = Field(
        default_factory=list, description="Every pause in force on it, widest first; each is resumed at its own level."
    )
    reimport_of: int | None = Field(None, description="Run whose failed items this one takes again.")
    reimports: list[int] = Field(default_factory=list, description="Runs that take failed items of this one again.")
    told_at: Time | None = Field(None, description="When its failure first reached a notification target.")


class Item(Answer):
    """One course within a run."""

    id: int
    run_id: int
    integration: str
    ref: str = Field(description="What was asked for.")
    course_id: str | None = None
    course_name: str | None = None
    course_code: str | None = None
    status: ItemStatus
    reason: str | None = Field(None, description="A stable word for why it failed or was skipped.")
    detail: str | None = Field(None, description="What happened and what to do, for people.")
    attempts: int
    gaps: int = Field(description="Parts of the course that could not be captured; the package names each.")
    package_id: str | None = None
    package_version: int | None = None
    archived_in_run: int | None = Field(None, description="Run that archived it before, for `skipped`.")
    reimported_by: int | None = Field(None, description="Item that archived the course, for `failed_reimported`.")
    reimported_in_run: int | None = Field(None, description="Run of that item.")
    reimport_of: int | None = Field(None, description="Failed item that this one takes again.")
    not_before: Time | None = Field(None, description="When it is tried again, for `queued` after a failed attempt.")
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None
    hold: Hold | None = Field(None, description="What holds it while it is queued; null where nothing does.")
    told_at: Time | None = Field(None, description="When the message that counted its failure first reached a target.")


class PreviewRow(Answer):
    """A course that a run would take, and what would become of it."""

    ref: str
    course_id: str | None = None
    course_name: str | None = None
    course_code: str | None = None
    would: str = Field(description="queued, not_found, failed or skipped; or left_out, which makes no item.")
    reason: str | None = None
    detail: str | None = None
    pattern: str | None = Field(None, description="The pattern of `exclude` that leaves it out.")


class Preview(Answer):
    """What a run would take now. Nothing was written."""

    rows: list[PreviewRow]
    counts: Mapping[str, int] = Field(description="Courses by what would become of them.")
    truncated: bool = Field(description="Whether there are more courses than rows; `counts` covers the rows.")
    cut_after: int | None = Field(None, description="Courses after which it was cut; null where these are all.")
    slot: Time | None = Field(None, description="Of a schedule: the tick that it is for.")
    before: Time | None = Field(
        None,
        description="Of a schedule with `ended_for`: the moment before which courses must have ended; for a tick to "
        "come, not later than now.",
    )


class CatalogueCourse(Answer):
    """A course as last seen in the LMS, with its newest package."""

    id: int
    integration: str
    course_id: str
    name: str
    code: str | None
    sis_id: str | None
    term_name: str | None
    ended_at: Time | None
    url: str | None
    seen_at: Time
    package_id: str | None = Field(None, description="Null where the course was never archived.")
    package_version: int | None = None


class PackageVersion(Answer):
    """One version of a package."""

    package_id: str
    version: int
    integration: str
    course_id: str
    course_name: str
    run_id: int | None
    item_id: int | None
    created_at: Time
    path: str = Field(description="Path below the archive's root.")
    payload_bytes: int
    payload_files: int
    gaps: int
    completeness: str = Field(description="complete, or partial where there are gaps.")
    verified_at: Time | None = None
    valid: bool | None = Field(None, description="Outcome of the last verification; null before the first.")


class Package(Answer):
    """An archived course with all its versions, oldest first."""

    package_id: str
    versions: list[PackageVersion]


class VerificationProblem(Answer):
    """One thing that is wrong with a package."""

    path: str
    what: str


class Verification(Answer):
    """What a verification found. It read and hashed every byte."""

    valid: bool
    checked_files: int
    checked_bytes: int
    problems: list[VerificationProblem]
