"""Settings of a Canvas integration."""

from __future__ import annotations

from pydantic import Field

from coursekeep import ConnectorSettings

__all__ = ["CanvasSettings"]


class CanvasSettings(ConnectorSettings):
    """What an operator may set for one Canvas."""

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
