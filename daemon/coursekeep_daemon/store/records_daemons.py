"""What several daemons on one database know of each other, and of what is in the way of all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["DaemonState", "Trouble", "TroubleKind"]


class TroubleKind(StrEnum):
    """What does not work, until whoever leads finds that it does again."""

    STORAGE = "storage"  # the archive cannot be written
    LMS = "lms"  # the LMS of an integration does not answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """Something that holds work in every process."""

    kind: TroubleKind
    #: the integration; empty where all are concerned
    target: str
    reason: str
    since: datetime
    #: the process that met it first
    reporter: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DaemonState:
    """A daemon that was seen a moment ago."""

    id: str
    host: str
    pid: int
    version: str
    started_at: datetime
    #: by the clock of the database, like what follows
    seen_at: datetime
    #: None while another leads
    leads_since: datetime | None
