"""What the control API says of connectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from coursekeep_daemon.api.models import Answer

__all__ = ["Connector", "ConnectorSchema"]


class Connector(Answer):
    """A kind of LMS that can be connected."""

    name: str = Field(description="As `connector` in the settings of an integration.")
    title: str
    description: str
    distribution: str = Field(description="What brought it.")
    version: str


class ConnectorSchema(Connector):
    """A connector, and what its integrations may be set to."""

    settings_schema: Mapping[str, Any] | None = Field(
        validation_alias="schema",
        description="JSON Schema (2020-12) of the settings; `x-coursekeep-order` is the place of a field in a form, "
        "`x-coursekeep-secret` says which are references in settings.toml. Null where the model cannot be described.",
    )
