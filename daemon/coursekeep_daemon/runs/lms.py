"""The integrations as runs see them: an open connector, and what the settings say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coursekeep import Connector

__all__ = ["Lms", "Lmses"]


@dataclass(frozen=True, kw_only=True)
class Lms:
    """One integration that can be worked with. Its connector is open, and shared by all its runs."""

    name: str
    #: identity in packages, which outlives a renaming
    id: str
    connector: Connector[Any]
    #: most courses in flight
    courses_at_once: int


Lmses = Mapping[str, Lms]
