"""The settings: one TOML file, each key overridable by an environment variable `COURSEKEEP_SECTION__KEY`.

Everything wrong is told at once, before anything starts, as `SettingsError` with the key's dotted name and the place
where it was written. Secrets stay references (`{ env = "NAME" }`, `{ file = "path" }`) until a connector is made.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

from pydantic import BaseModel, ByteSize, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from coursekeep import SettingsError, SettingsModel
from coursekeep_daemon.notifications.records import NotificationKind
from coursekeep_daemon.origin import ENV_PREFIX, NESTING, Origin, close_match, explained
from coursekeep_daemon.secrets import is_reference, redact, resolve_secrets
from coursekeep_daemon.spans import parse_span, parse_time_zone, parse_year_end

__all__ = [
    "AccountSettings",
    "ArchiveSettings",
    "DaemonSettings",
    "EngineSettings",
    "IntegrationSettings",
    "NotificationSettings",
    "ScheduleSettings",
    "Settings",
    "StoreSettings",
    "connector_settings",
    "load_settings",
]

_NAME = r"^[a-z0-9][a-z0-9_-]*$"


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
    disabled_plugins: tuple[str, ...] = Field((), description="Entry points of plugins that are not to be loaded.")

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
        pattern=r"^sqlite:///",
        description="Database; a relative path starts from daemon.data_dir.",
    )


class ArchiveSettings(_Section):
    """Where packages are kept."""

    url: str = Field("file://./archive", pattern=r"^file://", description="Archive; relative to the settings file.")
    organization: str = Field("", description="Name of the institution, written into every package.")
    min_free: ByteSize = Field(ByteSize(2**30), description="Free space below which no course is begun.")
    max_file_size: ByteSize | None = Field(None, description="Larger files become gaps; unset takes every file.")


class EngineSettings(_Section):
    """What executes course imports."""

    kind: Literal["local"] = Field("local", description="`local` works in the daemon itself.")
    concurrency: int = Field(4, ge=1, le=64, description="Courses at once in one process.")
    max_attempts: int = Field(5, ge=1, le=100, description="Attempts at a course before it counts as failed.")
    files_at_once: int = Field(4, ge=1, le=64, description="Files downloaded at once within one course.")


class AccountSettings(_Section):
    """How users sign in to the console."""

    session_hours: float = Field(168.0, gt=0, description="Hours after which a sign-in ends, however much it is used.")
    session_idle_hours: float = Field(12.0, gt=0, description="Hours without use after which a sign-in ends.")


class IntegrationSettings(BaseModel):
    """One LMS. Keys beyond these belong to the connector and are checked by its own model."""

    model_config = ConfigDict(extra="allow", frozen=True)

    connector: str = Field(description="Kind of LMS: the name of a connector.")
    enabled: bool = Field(True, description="False keeps the settings, but leaves the LMS alone.")
    id: str | None = Field(
        None, pattern=_NAME, description="Identity in packages; the name, unless it was renamed. Never change it."
    )
    courses_at_once: int | None = Field(None, ge=1, le=64, description="Courses at once; unset: engine.concurrency.")
    terms_refresh: str = Field("30 2 * * *", description="When to read the terms again, as cron.")
    academic_year_ends: str | None = Field(
        None, description="Last day of academic years, such as 08-31, for schedules that count from their end."
    )

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
    url: SecretStr | dict[Literal["env", "file"], str] = Field(
        description="Apprise's address of a service, or the webhook's own. A secret: it may hold a password."
    )
    secret: SecretStr | dict[Literal["env", "file"], str] | None = Field(
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
            raise ValueError('a secret is written as { env = "NAME" }, { file = "path" }, or text, and not empty')
        return value

    def reference(self, key: Literal["url", "secret"]) -> str | dict[str, str] | None:
        """Return `url` or `secret` as it was written: the secret itself, or the reference to it."""
        value: Any = getattr(self, key)
        return value.get_secret_value() if isinstance(value, SecretStr) else value


class _Environment(EnvSettingsSource):
    """Environment variables as plain text; only what looks like a JSON list or object is read as JSON.

    pydantic-settings would read a token of digits as a number, which no text field then accepts.
    """

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:
        if isinstance(value, str) and value.lstrip()[:1] not in {"[", "{"}:
            raise ValueError("a list or a table is written as JSON here")
        return super().decode_complex_value(field_name, field, value)  # type: ignore[arg-type]  # None is handled


class Settings(BaseSettings):
    """All settings. Make them with `load_settings`, which also tells where an error stands."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter=NESTING, env_ignore_empty=True
    )

    daemon: DaemonSettings = Field(default_factory=DaemonSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    archive: ArchiveSettings = Field(default_factory=ArchiveSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    accounts: AccountSettings = Field(default_factory=AccountSettings)
    integrations: dict[str, IntegrationSettings] = Field(default_factory=dict)
    schedules: dict[str, ScheduleSettings] = Field(default_factory=dict)
    notifications: dict[str, NotificationSettings] = Field(default_factory=dict)

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose content is handed to the constructor."""
        return _Environment(settings_cls), init_settings

    @property
    def origin(self) -> Origin:
        """Return where these settings were written."""
        return self._origin

    def redacted(self) -> dict[str, Any]:
        """Return all settings for people to read: references to secrets stay, secrets themselves are taken out."""
        shown: dict[str, Any] = redact(self.model_dump(mode="json"))
        return shown


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings from a file and the environment, relative paths made absolute.

    Without a path: the file that `COURSEKEEP_SETTINGS` names, else `settings.toml` in the current folder, else none.
    Raises `SettingsError` naming each wrong key, where it was written and what is allowed.
    """
    path = path or _usual_file()
    origin = Origin(path=path, text="" if path is None else _read(path))
    try:
        content = tomllib.loads(origin.text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: this is not TOML: {error}") from None
    _refuse_unknown_variables(origin)
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise explained(error, origin, model=Settings) from None
    except SourceError as error:
        raise SettingsError(f"environment variable: {error}: {error.__cause__}") from None
    _check_references(settings, origin)
    settings = _anchored(settings, origin.folder)
    settings._origin = origin  # noqa: SLF001  # this module's own attribute, known only now
    return settings


def connector_settings(settings: Settings, name: str, model: type[SettingsModel]) -> SettingsModel:
    """Read an integration's own keys with its connector's model, resolving secrets now.

    Raises `SettingsError` for unknown keys, bad values and secrets that are not there. Values are never shown.
    """
    at = ("integrations", name)
    values = resolve_secrets(settings.integrations[name].own, at, settings.origin)
    try:
        return model.model_validate(values, context={"folder": settings.origin.folder})
    except ValidationError as error:
        raise explained(error, settings.origin, model=model, prefix=at, also=IntegrationSettings.model_fields) from None


def _usual_file() -> Path | None:
    if named := os.environ.get(f"{ENV_PREFIX}SETTINGS"):
        return Path(named)
    usual = Path("settings.toml")
    return usual if usual.exists() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: the settings cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: the settings are not UTF-8 text") from None


def _refuse_unknown_variables(origin: Origin) -> None:
    """Refuse a variable such as COURSEKEEP_DEAMON__PORT, which would be left out without a word."""
    for variable in sorted(origin.environ):
        section, nested, _ = variable.upper().removeprefix(ENV_PREFIX).partition(NESTING)
        if variable.upper().startswith(ENV_PREFIX) and nested and section.lower() not in Settings.model_fields:
            hint = close_match(section, (name.upper() for name in Settings.model_fields))
            raise SettingsError(f"environment variable {variable}: no section {section}; {hint}")


def _check_references(settings: Settings, origin: Origin) -> None:
    for table in ("integrations", "schedules", "notifications"):
        for name in getattr(settings, table):
            if not re.match(_NAME, name):
                raise origin.error((table, name), "a name has lower-case letters, digits, - and _ only")
    for name, schedule in settings.schedules.items():
        if schedule.integration not in settings.integrations:
            known = close_match(schedule.integration, settings.integrations)
            raise origin.error(
                ("schedules", name, "integration"), f"there is no integration {schedule.integration}; {known}"
            )
    for name, target in settings.notifications.items():
        for wanted in target.integrations:
            if wanted not in settings.integrations:
                known = close_match(wanted, settings.integrations)
                raise origin.error(
                    ("notifications", name, "integrations"), f"there is no integration {wanted}; {known}"
                )


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Make relative paths absolute, so that the working directory of a command does not matter."""
    data_dir = folder / settings.daemon.data_dir
    database = data_dir / settings.store.url.removeprefix("sqlite:///")
    archive = folder / unquote(settings.archive.url.removeprefix("file://"))
    return settings.model_copy(
        update={
            "daemon": settings.daemon.model_copy(update={"data_dir": data_dir}),
            "store": settings.store.model_copy(update={"url": f"sqlite:///{database}"}),
            "archive": settings.archive.model_copy(update={"url": f"file://{quote(str(archive.resolve()))}"}),
        }
    )
