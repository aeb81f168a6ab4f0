"""What the store knows of workers, and of the items on their way to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = ["Crew", "Lease", "LeaseState", "Worker"]


class LeaseState(StrEnum):
    """How far an item has come on its way to a worker."""

    OFFERED = "offered"  # its job waits for a worker
    BEGUN = "begun"  # a worker archives it


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The right to work on one item."""

    #: the fence: no other lease ever has this number
    id: int
    item_id: int
    run_id: int
    integration: str
    state: LeaseState
    worker_id: str | None
    offered_at: datetime
    begun_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """A process that takes courses from the database."""

    id: str
    name: str
    host: str
    pid: int
    concurrency: int
    version: str
    #: what its settings have
    integrations: list[str]
    started_at: datetime
    #: its newest sign of life, by the database's clock
    seen_at: datetime
    #: ends as soon as its courses are done
    draining: bool
    #: what went wrong in plugins there, by `PluginRecord.key`
    plugin_troubles: Mapping[str, str] = field(default_factory=dict)
    #: courses that it works on
    busy: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Crew:
    """What workers can take and have been given, all together, as of one moment."""

    #: courses that workers archive at once, of each that takes any
    slots: list[int]
    #: integrations that any of these workers has in its settings
    integrations: frozenset[str]
    #: items that are offered or begun, by integration
    leased: Mapping[str, int]
