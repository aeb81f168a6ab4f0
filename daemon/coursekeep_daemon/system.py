"""The system: what runs here, on what, and how it stands. For the page, the API and the command line alike."""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from coursekeep_daemon.expiry import CredentialsEnd, Expiry
from coursekeep_daemon.package import Archive, PackageError
from coursekeep_daemon.runs.holds import Clock, Holds
from coursekeep_daemon.secrets import without_credentials
from coursekeep_daemon.store import DaemonState, ReplicaStanding, ReplicaState, Store, Worker

if TYPE_CHECKING:
    from coursekeep_daemon.settings import Settings

__all__ = [
    *("Daemon", "DaemonSeen", "DatabaseState", "ReplicaSeen", "StorageState", "System", "SystemView", "TermsRefresh"),
    "Workers",
]

#: what the daemon stands on; a report of a fault names these
_LIBRARIES = ("fastapi", "uvicorn", "pydantic", "sqlalchemy", "alembic", "apscheduler", "httpx", "aiohttp", "pluggy")

#: seconds that the archive's file system gets to say how much is free
_PATIENCE = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageState:
    """Where packages are kept, and whether more can be."""

    #: address of the archive, without credentials
    address: str
    #: bytes; None where the file system does not say
    free: int | None
    size: int | None
    #: bytes below which no course is begun
    min_free: int
    #: whether packages can be written, as last tried
    writable: bool
    #: why they cannot, or why nothing is known of the free space
    reason: str
    #: since when storage holds all work
    held_since: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaSeen:
    """How a copy of the archive stands."""

    address: str
    standing: ReplicaStanding
    #: packages that could not be copied to it
    behind: int
    away_since: datetime | None
    #: why it is away, or why the first of these packages could not be copied
    reason: str
    #: when all its packages were last compared with the archive
    compared_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseState:
    """Where runs and items are kept."""

    address: str
    #: bytes, what waits in the write-ahead log included; None where the file cannot be seen
    size: int | None
    revision: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Workers:
    """What archives courses."""

    engine: str
    #: courses at once
    concurrency: int
    in_flight: int
    #: courses that wait, of runs that have not ended
    queued: int
    #: with the engine `procrastinate`, who archives them
    processes: Sequence[Worker] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TermsRefresh:
    """When the terms of an integration are read again."""

    integration: str
    cron: str
    time_zone: str
    #: None where they are not, since the integration cannot be used
    next_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DaemonSeen:
    """One of the daemons on the database."""

    host: str
    pid: int
    version: str
    started_at: datetime
    #: its last sign of life
    seen_at: datetime
    #: whether it hands out courses, starts the runs of schedules and tells operators
    leads: bool
    #: whether it is the one that was asked
    answers: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """How the daemon stands."""

    version: str
    python: str
    platform: str
    #: versions of the main libraries, by name
    libraries: Mapping[str, str]
    started_at: datetime
    uptime: timedelta
    ready: bool
    #: what is in the way of being ready, by part
    reasons: Mapping[str, str]
    storage: StorageState
    #: the copies of the archive
    replicas: Sequence[ReplicaSeen]
    database: DatabaseState
    workers: Workers
    #: whether this daemon leads
    leads: bool
    #: the daemons on the database, this one among them
    daemons: Sequence[DaemonSeen]
    terms_refreshes: Sequence[TermsRefresh]
    #: of the integrations where somebody says when they end
    credentials: Sequence[CredentialsEnd]


class Daemon(Protocol):
    """What is asked of the service: its parts, and what it says of itself."""

    settings: Settings
    clock: Clock
    version: str

    @property
    def store(self) -> Store: ...
    @property
    def archive(self) -> Archive: ...
    @property
    def holds(self) -> Holds: ...
    @property
    def expiry(self) -> Expiry: ...
    @property
    def leads(self) -> bool: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def me(self) -> DaemonState: ...
    async def ready(self) -> tuple[bool, dict[str, str]]: ...
    async def daemons(self) -> Sequence[DaemonState]: ...
    async def replicas(self) -> Sequence[ReplicaState]: ...
    def next_refresh(self, integration: str) -> datetime | None: ...


class SystemView:
    """Looks at a running daemon. Make it when the daemon starts: that is when its time begins."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._started_at = daemon.clock()
        self._asked: asyncio.Task[tuple[int, int]] | None = None

    async def __call__(self) -> System:
        """Return how everything stands now. Reads little, and writes nothing."""
        daemon = self._daemon
        ready, reasons = await daemon.ready()
        return System(
            version=daemon.version,
            python=platform.python_version(),
            platform=f"{platform.system()} {platform.release()}, {platform.machine()}",
            libraries=_versions(await daemon.store.version()),
            started_at=self._started_at,
            uptime=daemon.clock() - self._started_at,
            ready=ready,
            reasons=reasons,
            storage=await self._storage(),
            replicas=[_seen(each) for each in await daemon.replicas()],
            database=await self._database(),
            workers=await self._workers(),
            leads=daemon.leads,
            daemons=await self._daemons(),
            terms_refreshes=self._refreshes(),
            credentials=list(daemon.expiry.all().values()),
        )

    async def _storage(self) -> StorageState:
        settings = self._daemon.settings.archive
        held = self._daemon.holds.storage
        reason = "" if held is None else held.reason
        free = size = None
        try:
            free, size = await self.space()
        except PackageError as error:
            reason = reason or str(error)
        except TimeoutError:
            reason = reason or f"The file system of the archive has not answered for {_PATIENCE:.0f} seconds."
        return StorageState(
            address=without_credentials(settings.url),
            free=free,
            size=size,
            min_free=settings.min_free,
            writable=held is None and free is not None,
            reason=reason,
            held_since=None if held is None else held.since,
        )

    async def space(self) -> tuple[int, int]:
        """Return the free bytes of the archive's file system, and all of them.

        One that does not answer is asked once, however many want to know. Raises `PackageError`, `TimeoutError`.
        """
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(asyncio.to_thread(self._daemon.archive.space))
            self._asked.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits
        return await asyncio.wait_for(asyncio.shield(self._asked), _PATIENCE)

    async def _database(self) -> DatabaseState:
        address = self._daemon.settings.store.url
        size = await self._daemon.store.size()
        return DatabaseState(
            address=without_credentials(address), size=size, revision=await self._daemon.store.revision()
        )

    async def _workers(self) -> Workers:
        engine = self._daemon.settings.engine
        queued = sum(waiting for waiting, _ in (await self._daemon.store.open_work()).values())
        if engine.kind == "local":
            concurrency, busy = engine.concurrency, self._daemon.in_flight
            return Workers(engine=engine.kind, concurrency=concurrency, in_flight=busy, queued=queued)
        workers = await self._daemon.store.workers()
        return Workers(
            engine=engine.kind,
            concurrency=sum(worker.concurrency for worker in workers if not worker.draining),
            in_flight=sum(worker.busy for worker in workers),
            queued=queued,
            processes=workers,
        )

    async def _daemons(self) -> list[DaemonSeen]:
        me = self._daemon.me
        return [
            DaemonSeen(
                host=one.host,
                pid=one.pid,
                version=one.version,
                started_at=one.started_at,
                seen_at=self._daemon.clock() if one.id == me.id else one.seen_at,
                leads=self._daemon.leads if one.id == me.id else one.leads_since is not None,
                answers=one.id == me.id,
            )
            for one in await self._daemon.daemons()
        ]

    def _refreshes(self) -> list[TermsRefresh]:
        settings = self._daemon.settings
        return [
            TermsRefresh(
                integration=name,
                cron=one.terms_refresh,
                time_zone=settings.daemon.time_zone,
                next_at=self._daemon.next_refresh(name),
            )
            for name, one in sorted(settings.integrations.items())
        ]


def _seen(state: ReplicaState) -> ReplicaSeen:
    return ReplicaSeen(
        address=state.address,
        standing=state.standing,
        behind=state.behind,
        away_since=state.away_since,
        reason=state.reason or next(iter(state.behind_why.values()), ""),
        compared_at=state.compared_at,
    )


def _versions(database: tuple[str, str]) -> dict[str, str]:
    found = dict([database])
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return dict(sorted(found.items()))
