"""What the control API says of the daemon itself."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from coursekeep_daemon.api.models import Answer, CredentialsEnd, Time
from coursekeep_daemon.store import ReplicaStanding
from coursekeep_daemon.system import System as SystemRecord

__all__ = ["System", "Worker", "WorkerList", "system_answer"]


class StorageState(Answer):
    """Where packages are kept."""

    address: str = Field(description="Address of the archive, without credentials.")
    free: int | None = Field(description="Free bytes; null where the file system does not say.")
    size: int | None = Field(description="Bytes of the whole file system.")
    min_free: int = Field(description="Bytes below which no course is begun.")
    writable: bool = Field(description="Whether packages can be written, as last tried.")
    reason: str = Field(description="Why not; empty where all is well.")
    held_since: Time | None = Field(description="Since when storage holds all work.")


class ReplicaSeen(Answer):
    """How a copy of the archive stands."""

    address: str
    standing: ReplicaStanding = Field(
        description="`current`; `copying`; `behind`, where something cannot be copied; `away`; `unknown`, where it was "
        "never compared. The same from every daemon."
    )
    behind: int = Field(description="Packages that could not be copied.")
    away_since: Time | None = Field(description="Since when nothing can be copied to it.")
    reason: str = Field(description="Why it is away or behind; empty where all is well.")
    compared_at: Time | None = Field(description="When all its packages were last compared with the archive.")


class DatabaseState(Answer):
    """Where runs and items are kept."""

    address: str
    size: int | None = Field(description="Bytes.")
    revision: str = Field(description="Revision of the schema.")


class Worker(Answer):
    """A process that takes courses."""

    name: str
    host: str
    pid: int
    version: str
    integrations: list[str] = Field(description="What its settings have.")
    concurrency: int = Field(description="Courses at once.")
    busy: int = Field(description="Courses that it archives now.")
    draining: bool = Field(description="Whether it takes no more, and ends when its courses are done.")
    started_at: Time
    seen_at: Time = Field(description="Its newest sign of life, by the clock of the database.")


class WorkerList(Answer):
    """The processes that take courses."""

    items: list[Worker]


class Workers(Answer):
    """What archives courses."""

    engine: str
    concurrency: int = Field(description="Courses at once.")
    in_flight: int = Field(description="Courses being archived now.")
    queued: int = Field(description="Courses that wait, of runs that have not ended.")
    processes: list[Worker] = Field(description="Who archives them; empty where the daemon itself does.")


class DaemonSeen(Answer):
    """One of the daemons on the database."""

    host: str
    pid: int
    version: str
    started_at: Time
    seen_at: Time = Field(description="Its last sign of life.")
    leads: bool = Field(description="Whether it hands out courses, starts the runs of schedules and tells operators.")
    answers: bool = Field(description="Whether it is the one that answers now.")


class TermsRefresh(Answer):
    """When the terms of an integration are read again."""

    integration: str
    cron: str
    time_zone: str
    next_at: Time | None = Field(description="Null where the integration cannot be used.")


class IntegrationEnd(CredentialsEnd):
    """When the credentials of an integration end."""

    integration: str


class System(Answer):
    """How the daemon stands. Its plugins are at /plugins; its configuration is not told here."""

    version: str
    python: str
    platform: str
    libraries: Mapping[str, str] = Field(description="Versions of the main libraries.")
    started_at: Time
    uptime_seconds: float
    ready: bool
    reasons: Mapping[str, str] = Field(description="What is in the way of being ready, by part.")
    storage: StorageState
    replicas: list[ReplicaSeen] = Field(description="The copies of the archive.")
    database: DatabaseState
    workers: Workers
    leads: bool = Field(description="Whether this daemon leads: of several on one database, one does.")
    daemons: list[DaemonSeen] = Field(description="The daemons on the database, this one among them.")
    terms_refreshes: list[TermsRefresh]
    credentials: list[IntegrationEnd] = Field(description="Where somebody says when the credentials end.")


def system_answer(found: SystemRecord) -> System:
    """Return how the daemon stands."""
    fields = {name: getattr(found, name) for name in System.model_fields if hasattr(found, name)}
    return System.model_validate(fields | {"uptime_seconds": found.uptime.total_seconds()})
