"""Settings of a Canvas integration."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, model_validator

from coursekeep import HttpSettings

__all__ = ["CanvasSettings"]


class CanvasSettings(HttpSettings):
    """What an operator may set for one Canvas."""

    token: SecretStr | None = Field(
        None,
        title="Token",
        description="Access token of an account made for Coursekeep; either this, or `client_id`, `client_secret` and"
        " `refresh_token`.",
    )
    client_id: str | None = Field(
        None,
        min_length=1,
        title="Client id",
        description="Id of a developer key in Canvas, made for Coursekeep.",
    )
    client_secret: SecretStr | None = Field(
        None, title="Client secret", description="Key of the developer key, as Canvas calls it."
    )
    refresh_token: SecretStr | None = Field(
        None,
        title="Refresh token",
        description="Refresh token that the developer key's log-in gave for an account made for Coursekeep.",
    )

    account: str = Field(
        "self",
        min_length=1,
        pattern=r"^(self|default|site_admin|\d+(~\d+)?|sis_account_id:.+)$",
        title="Account",
        description="Account whose courses are archived, with its sub-accounts: self for the root account, an id, or"
        " sis_account_id:ID.",
    )
    native_export: bool = Field(
        True,
        title="Common Cartridge",
        description="Ask Canvas for its own export of every course (.imscc) and keep it beside the records.",
    )
    export_timeout: float = Field(
        3600.0,
        gt=0,
        title="Patience with exports",
        description="Seconds to wait for Canvas to finish its export of a course; after that it becomes a gap.",
    )
    export_poll: float = Field(
        5.0,
        gt=0,
        title="Export polling",
        description="Longest wait in seconds between two looks at the progress of an export; the first are shorter.",
    )
    view_timeout: float = Field(
        120.0,
        ge=0,
        title="Patience with discussions",
        description="Seconds to wait for Canvas to prepare a discussion; then its replies are read one by one.",
    )
    page_revisions: bool = Field(
        True, title="Page revisions", description="Keep every revision of every page, one request each."
    )
    module_progress: bool = Field(
        True,
        title="Module progress",
        description="Keep each student's progress through modules that have requirements, one request per student.",
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        by_key = (self.client_id, self.client_secret, self.refresh_token)
        if self.token is not None and any(by_key):
            raise ValueError("set either token, or client_id, client_secret and refresh_token")
        if self.token is None and not all(by_key):
            raise ValueError("set token, or client_id, client_secret and refresh_token together")
        return self
