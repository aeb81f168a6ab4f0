"""Replicas follow the archive: what they lack is found by comparing, so that nothing has to be remembered.

Each new version is copied when the store tells of it. At the start, from time to time, and when a replica is back that
was away, all packages are compared. A replica that is away holds nothing up: it is said, and tried again.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import structlog

from coursekeep import CoursekeepError
from coursekeep_daemon.package import Archive, PackageError, StorageFull, StorageUnavailable
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.store import Store

__all__ = ["Pace", "ReplicaStanding", "ReplicaState", "Replication"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_PAGE = 200
#: packages by which the end of what is new is recognised
_REMEMBERED = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Seconds; a value, so that tests hand in a short one."""

    #: between two looks at what is new
    pause: float = 1.0
    #: before a replica is tried again that is away
    retry: float = 60.0
    #: between two comparisons of all packages
    every: float = 6 * 3600.0


class ReplicaStanding(StrEnum):
    """How a replica stands beside the archive."""

    CURRENT = "current"
    COPYING = "copying"  # what it lacks is being copied
    BEHIND = "behind"  # it lacks what could not be copied
    AWAY = "away"
    UNKNOWN = "unknown"  # not compared yet, or not by this daemon


@dataclass(slots=True)
class ReplicaState:
    """How a replica stands."""

    address: str
    #: why nothing can be copied to it now; empty where it is well
    reason: str = ""
    away_since: datetime | None = None
    #: packages that were found behind, and could not be brought up
    behind: dict[str, str] = field(default_factory=dict)
    compared_at: datetime | None = None
    #: whether something has been found that it lacks, and the look at it has not ended
    copying: bool = False

    @property
    def standing(self) -> ReplicaStanding:
        """Return the worst that is known; well is only what was compared as a whole."""
        if self.away_since is not None:
            return ReplicaStanding.AWAY
        if self.behind:
            return ReplicaStanding.BEHIND
        if self.copying:
            return ReplicaStanding.COPYING
        return ReplicaStanding.UNKNOWN if self.compared_at is None else ReplicaStanding.CURRENT


class Replication:
    """Brings every replica up to the archive. One runs for an archive, in the daemon that leads."""

    def __init__(self, archive: Archive, store: Store, clock: Clock, pace: Pace | None = None) -> None:
        self._archive = archive
        self._store = store
        self._clock = clock
        self._pace = pace or Pace()
        self._states = {replica.address: ReplicaState(address=replica.address) for replica in archive.replicas}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def states(self) -> list[ReplicaState]:
        """Return how the replicas stand."""
        return list(self._states.values())

    def away(self, address: str) -> bool:
        """Tell whether nothing can be copied to a replica now."""
        return self._states[address].away_since is not None

    async def start(self) -> None:
        """Begin to copy in the background; every replica by itself, so that none waits for another."""
        for replica in self._archive.replicas:
            name = f"replicate to {replica.address}"
            self._tasks.append(lasting(functools.partial(self._follow, replica), name))

    async def stop(self) -> None:
        """Break off. A copy that was under way leaves its replica at an older version."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []
        for state in self._states.values():  # whoever leads now knows better
            state.away_since = state.compared_at = None

    async def _follow(self, replica: Archive) -> None:
        loop = asyncio.get_running_loop()
        compare_at = 0.0
        seen: set[tuple[str, int]] = set()
        with self._store.subscribe() as changed:
            while True:
                changed.clear()
                everything = loop.time() >= compare_at
                try:
                    await self._check_there(replica)
                    seen = await self._copy(replica, set() if everything else seen)
                except CoursekeepError as error:
                    self._away(replica, str(error))
                    compare_at = 0.0  # what is missed meanwhile is found by comparing
                    await asyncio.sleep(self._pace.retry)
                    continue
                self._well(replica)
                if everything:
                    compare_at = loop.time() + self._pace.every
                    self._states[replica.address].compared_at = self._clock()
                await asyncio.sleep(self._pace.pause)
                await wait_for_event(changed, max(compare_at - loop.time(), 0.01))

    async def _check_there(self, replica: Archive) -> None:
        """Make a replica's storage root only while there is nothing to copy: later, it may be a disk that is away."""
        if await asyncio.to_thread(lambda: replica.exists):
            return
        if (await self._store.packages(limit=1)).items:
            raise StorageUnavailable(
                f"There is no archive at {replica.address}. {replica.target.remedy} For a new replica, run "
                "`coursekeep package replicate` once."
            )
        await asyncio.to_thread(replica.prepare)

    async def _copy(self, replica: Archive, seen: set[tuple[str, int]]) -> set[tuple[str, int]]:
        """Bring up the packages that came behind those last seen; return what is to be seen as last from now on."""
        newest: set[tuple[str, int]] = set()
        async for package_id, version in self._packages():
            if (package_id, version) in seen:
                break
            if len(newest) < _REMEMBERED:
                newest.add((package_id, version))
            await self._bring_up(replica, package_id)
        return newest | seen if len(newest) < _REMEMBERED else newest

    async def _packages(self) -> AsyncIterator[tuple[str, int]]:
        """Yield all packages, the latest first."""
        cursor: str | None = None
        while True:
            page = await self._store.packages(limit=_PAGE, cursor=cursor)
            for one in page.items:
                yield one.package_id, one.version
            if (cursor := page.next_cursor) is None:
                return

    async def _bring_up(self, replica: Archive, package_id: str) -> None:
        """Copy what a replica lacks of one package. One that cannot be copied does not keep others from it."""
        state = self._states[replica.address]
        behind = state.behind
        try:
            if await asyncio.to_thread(self._archive.is_behind, package_id, replica):
                state.copying = True
                copied = await asyncio.to_thread(self._archive.replicate, package_id, replica)
                log.info("package_replicated", package=package_id, replica=replica.address, versions=copied)
            behind.pop(package_id, None)
        except (StorageFull, StorageUnavailable):
            raise
        except PackageError as error:
            behind[package_id] = str(error)
            log.error("package_not_replicated", package=package_id, replica=replica.address, reason=str(error))

    def _away(self, replica: Archive, reason: str) -> None:
        state = self._states[replica.address]
        if state.away_since is None:
            state.away_since = self._clock()
            log.error("replica_away", replica=replica.address, reason=reason)
        state.reason = reason

    def _well(self, replica: Archive) -> None:
        state = self._states[replica.address]
        if state.away_since is not None:
            log.info("replica_back", replica=replica.address)
        state.away_since, state.reason, state.copying = None, "", False
