"""The settings: one TOML file, each key overridable by an environment variable `COURSEKEEP_SECTION__KEY`.

Everything wrong is told at once, before anything starts, as `SettingsError` with the key's dotted name and the place
where it was written. Secrets stay references (`{ env = "NAME" }`, `{ file = "path" }`,
`{ keyring = "service/user" }`) until a connector is made.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pydantic import Field, PrivateAttr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from coursekeep import SettingsError, SettingsModel
from coursekeep_daemon.credentials import keeper_of
from coursekeep_daemon.origin import ENV_PREFIX, NESTING, Origin, close_match, explained
from coursekeep_daemon.secrets import redact, resolve_secrets
from coursekeep_daemon.sections import (
    NAME,
    RESERVED_SCHEDULE,
    AccountSettings,
    ArchiveSettings,
    DaemonSettings,
    EngineSettings,
    FixitySettings,
    IntegrationSettings,
    NotificationSettings,
    OidcSettings,
    ScheduleSettings,
    StoreSettings,
    TelemetrySettings,
    is_loopback,
)

__all__ = [
    "AccountSettings",
    "ArchiveSettings",
    "DaemonSettings",
    "EngineSettings",
    "FixitySettings",
    "IntegrationSettings",
    "NotificationSettings",
    "OidcSettings",
    "ScheduleSettings",
    "Settings",
    "StoreSettings",
    "TelemetrySettings",
    "connector_settings",
    "is_loopback",
    "load_settings",
    "oidc_secret",
    "store_password",
]


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
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    fixity: FixitySettings = Field(default_factory=FixitySettings)
    accounts: AccountSettings = Field(default_factory=AccountSettings)
    oidc: OidcSettings = Field(default_factory=OidcSettings)
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
    own = settings.integrations[name].own
    values = resolve_secrets(own, at, settings.origin)
    keeper = keeper_of(settings.daemon.data_dir, name, own)
    try:
        return model.model_validate(values, context={"folder": settings.origin.folder, "keeper": keeper})
    except ValidationError as error:
        raise explained(error, settings.origin, model=model, prefix=at, also=IntegrationSettings.model_fields) from None


def oidc_secret(settings: Settings) -> str | None:
    """Return the client secret that `[oidc]` refers to. Raises `SettingsError` where it is not there."""
    kept = {"client_secret": settings.oidc.client_secret}
    found = resolve_secrets(kept, ("oidc",), settings.origin)["client_secret"]
    return None if found is None else str(found)


def store_password(settings: Settings) -> str | None:
    """Return the password that `[store]` refers to. Raises `SettingsError` where it is not there."""
    kept = {"password": settings.store.password}
    found = resolve_secrets(kept, ("store",), settings.origin)["password"]
    return None if found is None else str(found)


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
            if not re.match(NAME, name):
                raise origin.error((table, name), "a name has lower-case letters, digits, - and _ only")
    for name, schedule in settings.schedules.items():
        if name == RESERVED_SCHEDULE:
            said = f"{name!r} is the address of the console's form for schedules; take another name"
            raise origin.error(("schedules", name), said)
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
    database = settings.store.url
    if database.startswith("sqlite:///"):
        database = f"sqlite:///{data_dir / database.removeprefix('sqlite:///')}"
    archive = settings.archive
    return settings.model_copy(
        update={
            "daemon": settings.daemon.model_copy(update={"data_dir": data_dir}),
            "store": settings.store.model_copy(update={"url": database}),
            "archive": archive.model_copy(
                update={
                    "url": _anchored_file(archive.url, folder),
                    "replicas": tuple(_anchored_file(each, folder) for each in archive.replicas),
                }
            ),
        }
    )


def _anchored_file(url: str, folder: Path) -> str:
    if not url.startswith("file://"):
        return url
    return f"file://{quote(str((folder / unquote(url.removeprefix('file://'))).resolve()))}"
