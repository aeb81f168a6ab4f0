"""The sections of the settings: what each key is called, what it may hold, and what it is without being set."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr, field_validator, model_validator

from coursekeep_daemon.notifications.records import NotificationKind
from coursekeep_daemon.roles import Role
from coursekeep_daemon.secrets import is_reference
from coursekeep_daemon.spans import before, parse_span, parse_time_zone, parse_year_end

__all__ = [
    "NAME",
    "RESERVED_SCHEDULE",
    "AccountSettings",
    "ArchiveSettings",
    "DaemonSettings",
    "EngineSettings",
    "FixitySettings",
    "IntegrationSettings",
    "NotificationSettings",
    "OidcSettings",
    "S3Settings",
    "ScheduleSettings",
    "StoreSettings",
    "TelemetrySettings",
    "is_loopback",
]

#: no schedule has this name: the console's form for a new one stands at that address
RESERVED_SCHEDULE = "new"

#: what integrations, schedules and notification targets may be called
NAME = r"^[a-z0-9][a-z0-9_-]*$"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DaemonSettings(_Section):
    """How the daemon itself runs."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8350, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None, description="Address that people use, for links and cookies; unset makes none."
    )
    data_dir: Path = Field(Path("data"), description="Folder for the lock, the scheduler's file and the store.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe event to log.")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="`auto` is text on a terminal, else JSON.")
    shutdown_timeout: float = Field(30.0, ge=0, description="Seconds that courses in flight get at a stop.")
    time_zone: str = Field("UTC", description="Time zone of cron rules that name none.")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses or networks of reverse proxies whose word on where a request comes from is believed."
    )
    disabled_plugins: tuple[str, ...] = Field((), description="Entry points of plugins that are not to be loaded.")

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            try:
                ip_network(each)
            except ValueError:
                raise ValueError(f"{each!r} is no address; write one such as 127.0.0.1 or 10.0.0.0/8") from None
        return value

    _zone = field_validator("time_zone")(parse_time_zone)

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+", value):
            raise ValueError(
                "an address such as https://coursekeep.example.edu is needed, without a path or a / at its end"
            )
        return value


class StoreSettings(_Section):
    """Where runs and items are kept."""

    url: str = Field(
        "sqlite:///coursekeep.db",
        description="Database: sqlite:///path, relative to daemon.data_dir, or postgresql://user@host/database.",
    )
    password: dict[str, str] | str | None = Field(
        None, repr=False, description="Password at a PostgreSQL server; unset leaves it to PostgreSQL's password file."
    )

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("an address such as sqlite:///coursekeep.db or postgresql://user@host/database is needed")
        if re.search(r"^postgresql://[^/@]*:[^/@]*@|[?&](ssl)?password=", value):
            raise ValueError('an address is shown in many places: write the password as password = { env = "NAME" }')
        return value

    @field_validator("password")
    @classmethod
    def _reference(cls, value: object) -> object:
        return _checked_secret(value)


class S3Settings(_Section):
    """How an object store is reached. What is unset comes from the environment (`AWS_...`) or from the machine."""

    endpoint: str | None = Field(None, description="Address of the store; unset: Amazon's own for the region.")
    region: str | None = Field(None, description="Region of the bucket.")
    access_key_id: dict[str, str] | str | None = Field(None, repr=False, description="Name of the access key.")
    secret_access_key: dict[str, str] | str | None = Field(None, repr=False, description="Secret of the access key.")
    path_style: bool = Field(True, description="False puts the bucket's name into the host's.")

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s?#@]+", value):
            raise ValueError("an address such as https://s3.example.edu is needed, without credentials")
        return value

    @field_validator("access_key_id", "secret_access_key")
    @classmethod
    def _reference(cls, value: object) -> object:
        return _checked_secret(value)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together; leave out both, or set both")
        return self


class ArchiveSettings(_Section):
    """Where packages are kept."""

    url: str = Field(
        "file://./archive",
        pattern=r"^(file|s3)://",
        description="Archive: file://path, relative to the settings file, or s3://bucket/prefix.",
    )
    s3: S3Settings = Field(default_factory=S3Settings, description="How the store of an s3:// address is reached.")
    replicas: tuple[str, ...] = Field((), description="Archives to which every version is copied; as `url`.")
    replica_s3: S3Settings | None = Field(None, description="How the store of replicas is reached; unset: as `s3`.")
    organization: str = Field("", description="Name of the institution, written into every package.")
    min_free: ByteSize = Field(ByteSize(2**30), description="Free space below which no course is begun.")
    max_file_size: ByteSize | None = Field(None, description="Larger files become gaps; unset takes every file.")

    @field_validator("replicas")
    @classmethod
    def _replicas(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not each.startswith(("file://", "s3://")):
                raise ValueError(f"{each!r} is no address; write one such as file:///mnt/copy or s3://bucket/prefix")
        return value


class EngineSettings(_Section):
    """What executes course imports."""

    kind: Literal["local", "procrastinate"] = Field(
        "local",
        description="`local` works in the one daemon; `procrastinate` in workers, beside any number of daemons.",
    )
    concurrency: int = Field(4, ge=1, le=64, description="Courses at once in one process.")
    max_attempts: int = Field(5, ge=1, le=100, description="Attempts at a course before it counts as failed.")
    files_at_once: int = Field(4, ge=1, le=64, description="Files downloaded at once within one course.")


class TelemetrySettings(_Section):
    """Who is told how the process works: a receiver of traces, and Prometheus at an endpoint of its own."""

    endpoint: str | None = Field(
        None, description="Address of a receiver of OTLP over HTTP, such as http://127.0.0.1:4318; unset: no traces."
    )
    headers: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="Headers for that receiver; each a reference to a secret."
    )
    service_name: str = Field("coursekeep", min_length=1, description="Name of the service in traces.")
    sample_ratio: float = Field(1.0, ge=0, le=1, description="Share of course imports that are traced.")
    metrics_host: str = Field("127.0.0.1", description="Address of the endpoint for metrics, which asks for no token.")
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port of that endpoint; 0 takes a free one; unset: there is none."
    )

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*[^\s?#@/])?", value):
            raise ValueError(
                "an address such as http://127.0.0.1:4318 is needed, without credentials or a / at its end"
            )
        return value

    @field_validator("headers", mode="before")
    @classmethod
    def _headers(cls, value: Any) -> Any:
        for name, secret in value.items() if isinstance(value, dict) else ():
            if not re.fullmatch(r"[A-Za-z0-9-]+", name):
                raise ValueError(f"{name!r} is no name of a header")
            if not is_reference(secret):  # settings are shown, and nothing tells which headers hold secrets
                raise ValueError('a header is { env = "NAME" }, { file = "path" } or { keyring = "service/user" }')
        return value


class FixitySettings(_Section):
    """How stored packages are verified again and again."""

    every: str = Field("90 days", description="Within which span every package is read again; `off` reads none.")
    max_rate: ByteSize = Field(ByteSize(50 * 2**20), description="Most bytes to read per second; 0 sets no limit.")

    @field_validator("every")
    @classmethod
    def _period(cls, value: str) -> str:
        if value == "off":
            return value
        if not parse_span(value):
            raise ValueError("a package cannot be read again within no time; write `off` to have none read")
        before(datetime(2000, 1, 1, tzinfo=UTC), value)  # raises where there is no such moment
        return value


class AccountSettings(_Section):
    """How users sign in to the console."""

    session_hours: float = Field(168.0, gt=0, description="Hours after which a sign-in ends, however much it is used.")
    session_idle_hours: float = Field(12.0, gt=0, description="Hours without use after which a sign-in ends.")


class OidcSettings(_Section):
    """Sign-in to the console with OpenID Connect. Without `issuer` there is none."""

    issuer: str = Field("", description="Address of the provider, exactly as it calls itself.")
    client_id: str = Field("", description="Name under which the provider knows this daemon.")
    client_secret: dict[str, str] | str | None = Field(
        None, repr=False, description="Secret; unset for a public client."
    )
    scope: str = Field("openid profile", description="What to ask the provider for.")
    name_claim: str = Field("preferred_username", description="Claim that becomes the user's name.")
    role_claim: str = Field("groups", description="Claim whose values decide on the role.")
    roles: dict[Role, tuple[str, ...]] = Field(
        default_factory=dict, description="Values of that claim for each role; `*` is anyone."
    )
    label: str = Field("Sign in with OpenID Connect", description="What the button on the sign-in page says.")

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme != "https" or not parts.hostname) and not is_loopback(value):
            raise ValueError("it must be an https address")
        return value

    @field_validator("client_secret")
    @classmethod
    def _reference(cls, value: object) -> object:
        return _checked_secret(value)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.issuer and not self.client_id:
            raise ValueError("with an issuer, client_id is needed")
        if self.issuer and not self.roles:
            raise ValueError("with an issuer, roles are needed: without them nobody gets in")
        return self


def _checked_secret(value: object) -> object:
    """Let a value pass that is a text, or refers to one that is secret. Raises ValueError for another table."""
    if isinstance(value, dict) and not is_reference(value):
        raise ValueError('a secret is { env = "NAME" }, { file = "path" } or { keyring = "service/user" }')
    return value


def is_loopback(address: str) -> bool:
    """Tell whether an http or https address is on this machine."""
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and parts.hostname in ("localhost", "127.0.0.1", "::1")


class IntegrationSettings(BaseModel):
    """One LMS. Keys beyond these belong to the connector and are checked by its own model."""

    model_config = ConfigDict(extra="allow", frozen=True)

    connector: str = Field(description="Kind of LMS: the name of a connector.")
    enabled: bool = Field(True, description="False keeps the settings, but leaves the LMS alone.")
    id: str | None = Field(
        None, pattern=NAME, description="Identity in packages; the name, unless it was renamed. Never change it."
    )
    courses_at_once: int | None = Field(None, ge=1, le=64, description="Courses at once; unset: engine.concurrency.")
    terms_refresh: str = Field("30 2 * * *", description="When to read the terms again, as cron.")
    academic_year_ends: str | None = Field(
        None, description="Last day of academic years, such as 08-31, for schedules that count from their end."
    )
    expires_on: date | None = Field(None, description="Last day on which the credentials work, as the LMS shows it.")
    expiry_notice: int = Field(14, ge=0, le=365, description="Days before the end of the credentials at which to tell.")

    @field_validator("expires_on")
    @classmethod
    def _countable(cls, value: date | None) -> date | None:
        if value is not None and not 1970 <= value.year < 9999:
            raise ValueError("write the day as 2027-01-31")
        return value

    @field_validator("academic_year_ends")
    @classmethod
    def _year_end(cls, value: str | None) -> str | None:
        return value if value is None else parse_year_end(value)

    @property
    def own(self) -> dict[str, Any]:
        """Return the keys that belong to the connector, secrets unresolved."""
        return dict(self.model_extra or {})


class ScheduleSettings(_Section):
    """A rule that starts runs."""

    integration: str = Field(description="Name of the integration.")
    cron: str = Field(description="When to start: minute, hour, day, month, weekday.")
    time_zone: str | None = Field(None, description="Time zone of `cron`; unset: daemon.time_zone.")
    source: str = Field("end_date", description="Course source.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the source.")
    ended_for: str | None = Field(None, description="With `end_date`: how long ago courses must have ended.")
    of: Literal["course", "term", "academic_year"] = Field("course", description="Whose end `ended_for` counts from.")
    include: tuple[str, ...] = Field((), description="Patterns of code, name, SIS id or account; empty takes all.")
    exclude: tuple[str, ...] = Field((), description="Patterns of code, name, SIS id or account to leave out.")
    on_existing: Literal["skip", "refresh"] = Field("skip", description="What to do with courses archived before.")
    enabled: bool = Field(True, description="False keeps the rule, but does not start runs.")

    @field_validator("ended_for")
    @classmethod
    def _span(cls, value: str | None) -> str | None:
        if value is not None:
            parse_span(value)
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        return value if value is None else parse_time_zone(value)


class NotificationSettings(_Section):
    """Whom to tell what happened."""

    kind: Literal["apprise", "webhook"] = Field("apprise", description="How it is told.")
    url: SecretStr | dict[Literal["env", "file", "keyring"], str] = Field(
        description="Apprise's address of a service, or the webhook's own. A secret: it may hold a password."
    )
    secret: SecretStr | dict[Literal["env", "file", "keyring"], str] | None = Field(
        None, description="With `webhook`: what its messages are signed with."
    )
    events: tuple[NotificationKind, ...] = Field((), description="What to tell; empty tells everything.")
    integrations: tuple[str, ...] = Field((), description="Whose events; empty takes all integrations.")

    @field_validator("url", "secret", mode="before")
    @classmethod
    def _secret(cls, value: Any) -> Any:
        named = is_reference(value) and all(isinstance(each, str) for each in value.values())
        usable = named or isinstance(value, (str, SecretStr))
        if not usable or not value:
            raise ValueError(
                'a secret is written as { env = "NAME" }, { file = "path" }, { keyring = "service/user" },'
                " or text, and not empty"
            )
        return value

    def reference(self, key: Literal["url", "secret"]) -> str | dict[str, str] | None:
        """Return `url` or `secret` as it was written: the secret itself, or the reference to it."""
        value: Any = getattr(self, key)
        return value.get_secret_value() if isinstance(value, SecretStr) else value
