"""Replicas follow the archive: what they lack is found by comparing, so that nothing has to be remembered.

Each new version is copied when the store tells of it. At the start, from time to time, and when a replica is back that
was away, all packages are compared. A replica that is away holds nothing up: it is said, and tried again. How each
stands is kept in the store: see `replica_standings.py`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from coursekeep import CoursekeepError
from coursekeep_daemon.package import Archive, PackageBusy, PackageError, StorageFull, StorageUnavailable
from coursekeep_daemon.replica_standings import Standings
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.secrets import without_credentials
from coursekeep_daemon.store import Store, StoreError

__all__ = ["Pace", "Replication"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_PAGE = 200
#: packages by which the end of what is new is recognised
_REMEMBERED = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Seconds; a value, so that tests hand in a short one."""

    #: between two looks at what is new
    pause: float = 1.0
    #: before a replica is tried again that is away; often enough that one failure alone is not told
    retry: float = 20.0
    #: between two looks whether a replica is there, while nothing is new
    look: float = 600.0
    #: between two comparisons of all packages
    every: float = 6 * 3600.0
    #: between two writings of how replicas stand
    note: float = 2.0


class Replication:
    """Brings every replica up to the archive. One runs for an archive, in the daemon that leads."""

    def __init__(self, archive: Archive, store: Store, clock: Clock, pace: Pace | None = None) -> None:
        self._archive = archive
        self._store = store
        self._pace = pace or Pace()
        addresses = [without_credentials(replica.address) for replica in archive.replicas]
        #: how each replica stands
        self.standings = Standings(store, clock, addresses, rest=self._pace.note)
        #: of each replica the packages that somebody was writing to, with the loop's time to try them again
        self._busy: dict[str, dict[str, float]] = {address: {} for address in addresses}
        self._tasks: list[asyncio.Task[None]] = []

    def away(self, address: str) -> bool:
        """Tell whether nothing can be copied to a replica now, as far as whoever leads here knows."""
        return bool(self._tasks) and self.standings.away(address)

    async def start(self) -> None:
        """Begin to copy in the background; every replica by itself, so that none waits for another.

        Goes on from what the store knows of each. Raises `StoreError`.
        """
        await self.standings.load()
        if self._archive.replicas:
            self._tasks.append(lasting(self.standings.write, "note replicas"))
        for replica in self._archive.replicas:
            name = f"replicate to {without_credentials(replica.address)}"
            self._tasks.append(lasting(functools.partial(self._follow, replica), name))

    async def stop(self) -> None:
        """Break off. A copy that was under way leaves its replica at an older version."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, replica: Archive) -> None:
        loop, busy = asyncio.get_running_loop(), self._busy[without_credentials(replica.address)]
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
                    await self._failed(replica, error)
                    compare_at = 0.0  # what is missed meanwhile is found by comparing
                    await asyncio.sleep(self._pace.retry)
                    continue
                self.standings.note_looked(without_credentials(replica.address), everything=everything)
                if everything:
                    compare_at = loop.time() + self._pace.every
                await asyncio.sleep(self._pace.pause)
                due = min([compare_at, *busy.values()])
                await wait_for_event(changed, min(max(due - loop.time(), 0.01), self._pace.look))

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
        now, busy = asyncio.get_running_loop().time(), self._busy[without_credentials(replica.address)]
        for package_id in [one for one, again_at in busy.items() if again_at <= now]:
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
        address = without_credentials(replica.address)
        self._busy[address].pop(package_id, None)
        try:
            if await asyncio.to_thread(self._archive.is_behind, package_id, replica):
                self.standings.note_lacking(address)
                copied = await asyncio.to_thread(self._archive.replicate, package_id, replica)
                self.standings.note_copied(address)
                log.info("package_replicated", package=package_id, replica=address, versions=copied)
            self.standings.note_equal(address, package_id)
        except (StorageFull, StorageUnavailable):
            raise
        except PackageBusy as error:  # as by a copy that a daemon had begun which led before: it ends soon
            self._busy[address][package_id] = asyncio.get_running_loop().time() + self._pace.retry
            self.standings.note_behind(address, package_id, str(error))
            log.info("package_not_replicated_yet", package=package_id, replica=address, reason=str(error))
        except PackageError as error:
            self.standings.note_behind(address, package_id, str(error))
            log.error("package_not_replicated", package=package_id, replica=address, reason=str(error))

    async def _failed(self, replica: Archive, error: CoursekeepError) -> None:
        """Note a replica as away, unless it is the store or the archive itself: of these others tell."""
        address = without_credentials(replica.address)
        if isinstance(error, StoreError):
            log.error("store_trouble", during="replication", replica=address, reason=str(error))
            return
        try:
            await asyncio.to_thread(self._archive.check_present)
        except PackageError as own:
            log.warning("replication_waits", replica=address, reason=str(own))
            return
        self.standings.note_away(address, str(error))
