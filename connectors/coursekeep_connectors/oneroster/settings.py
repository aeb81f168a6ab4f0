"""Settings of a OneRoster integration."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from coursekeep import SettingsModel

__all__ = ["CsvEncoding", "OneRosterSettings", "Version"]


class Version(StrEnum):
    """Which OneRoster the service speaks."""

    AUTO = "auto"
    V1_1 = "1.1"
    V1_2 = "1.2"


class CsvEncoding(StrEnum):
    """How the text of CSV files without a byte order mark is written."""

    UTF_8 = "utf-8"
    CP1252 = "cp1252"


class OneRosterSettings(SettingsModel):
    """What an operator may set for one source of OneRoster data: a service (`base_url`) or files (`path`)."""

    base_url: str | None = Field(
        None,
        pattern="^https?://",
        title="Address",
        description="Address of the OneRoster service, up to /ims/oneroster; either this or `path`.",
    )
    path: Path | None = Field(
        None,
        title="Files",
        description="A zip file of OneRoster CSV files, or a folder of them; relative to the settings file.",
    )
    token: SecretStr | None = Field(
        None, title="Token", description="Bearer token, where the service gives one out; else `client_id`."
    )
    client_id: str | None = Field(
        None, min_length=1, title="Client id", description="OAuth2 client id of a client made for Coursekeep."
    )
    client_secret: SecretStr | None = Field(None, title="Client secret", description="OAuth2 client secret.")
    oauth_url: str | None = Field(
        None,
        pattern="^https?://",
        title="Token address",
        description="OAuth2 token endpoint; the client secret is sent to this host and no other.",
    )
    scopes: tuple[str, ...] = Field(
        (),
        title="Scopes",
        description="OAuth2 scopes to ask for; empty asks for the reading scopes of OneRoster 1.2.",
    )
    version: Version = Field(
        Version.AUTO, title="Version", description="OneRoster version of the service; auto asks for 1.2, then 1.1."
    )
    page_size: int = Field(
        100, ge=1, le=10_000, title="Page size", description="Objects to ask for at one time; services may give fewer."
    )
    time_zone: str = Field(
        "UTC",
        title="Time zone",
        description="Where the institution's days begin and end: OneRoster gives most dates without a time.",
    )
    demographics: bool = Field(
        False,
        title="Demographics",
        description="Also keep birth dates, sex, race and origin of the people of a course. Rarely lawful; off.",
    )
    encoding: CsvEncoding = Field(
        CsvEncoding.UTF_8,
        title="Encoding",
        description="Of CSV files without a byte order mark: utf-8, which OneRoster demands, or cp1252.",
    )
    max_unpacked: int = Field(
        8 * 2**30, ge=1, title="Largest unpacked size", description="Bytes that the CSV files may have together."
    )
    max_concurrency: int = Field(
        4, ge=1, le=256, title="Requests at once", description="Most requests in flight to this service at one time."
    )
    timeout: float = Field(
        60.0, gt=0, title="Time-out", description="Seconds without a byte after which a request counts as failed."
    )
    contact: str = Field(
        "", title="Contact", description="Mail or web address sent in the User-Agent, so that the staff can ask."
    )

    @field_validator("path", mode="after")
    @classmethod
    def _anchored(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return path if folder is None or path is None else Path(folder) / path

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            raise ValueError("no time zone has this name; write it like Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.base_url is None) == (self.path is None):
            raise ValueError("set either base_url, for a service, or path, for CSV files")
        by_client = (self.client_id, self.client_secret, self.oauth_url)
        if self.path is not None:
            if self.token is not None or any(by_client):
                raise ValueError("token, client_id, client_secret and oauth_url belong to base_url, not to path")
        elif self.token is not None:
            if any(by_client):
                raise ValueError("set either token, or client_id, client_secret and oauth_url")
        elif not all(by_client):
            raise ValueError("set token, or client_id, client_secret and oauth_url together")
        return self
