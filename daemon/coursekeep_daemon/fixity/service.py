"""The fixity service: reads every package again within a period, and mends what a replica can mend.

Always the package whose verification is oldest is next, at even distances that the number of packages gives; what is
overdue is read without a pause. All that must survive a restart is in the store, so a new leader goes on where the old
one was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from coursekeep_daemon.fixity.metrics import FixityMetrics
from coursekeep_daemon.fixity.records import Finding, FindingChange
from coursekeep_daemon.fixity.throttle import Interrupted, Throttle
from coursekeep_daemon.fixity.verifier import Check, Verifier
from coursekeep_daemon.fixity.view import GOOD_FOR, FixityView
from coursekeep_daemon.package import Archive, PackageBusy, PackageError
from coursekeep_daemon.runs.holds import Clock, Holds
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.settings import FixitySettings
from coursekeep_daemon.store import Store, StoreError

__all__ = ["FixityPace", "FixityService", "Mender", "Repair"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: who verifies and repairs, in the audit
_WHO = "fixity"

#: packages that are left out for a while, at most: where more cannot be read, it is the storage
_MOST_LEFT_OUT = 1000


class Repair(Protocol):
    """What a repair gave."""

    @property
    def repaired(self) -> bool:
        """Whether the package is as it was written again."""

    @property
    def detail(self) -> str:
        """What was done, or why nothing could be, for people."""


class Mender(Protocol):
    """An archive with replicas."""

    @property
    def replicas(self) -> Sequence[object]:
        """The copies of the archive."""

    def repair(self, object_id: str) -> Repair:
        """Mend a package from a copy. Raises `PackageError` where that cannot be tried."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FixityPace:
    """How long the service waits; a value, so that tests hand in a short one."""

    #: seconds between two looks at whether something is due
    look: float = 60.0
    #: until a package that was being written is tried again
    busy: timedelta = timedelta(minutes=5)
    #: until a package that could not be read is tried again
    unreadable: timedelta = timedelta(hours=1)
    #: until a repair that did not help is tried again
    repair: timedelta = timedelta(days=1)
    #: between two messages of one kind about packages of an integration
    messages: timedelta = timedelta(hours=1)
    #: how many times longer than a count of all packages took its numbers are good
    counts: float = GOOD_FOR
    #: seconds that a reading gets to break off at a stop
    stop: float = 5.0


class FixityService:
    """Every daemon asks its `view` and its `verifier`; the one that leads starts it."""

    def __init__(
        self,
        *,
        archive: Archive,
        store: Store,
        holds: Holds,
        clock: Clock,
        settings: FixitySettings,
        metrics: FixityMetrics,
        mender: Mender | None = None,
        pace: FixityPace | None = None,
    ) -> None:
        """Take what is needed; `mender` where not the archive itself repairs. Does nothing yet."""
        self.verifier = Verifier(archive, store, clock)
        self._archive = archive
        self._store = store
        self._holds = holds
        self._clock = clock
        self._max_rate = settings.max_rate or None
        self._metrics = metrics
        self._mender: Mender = mender or archive
        self._pace = pace or FixityPace()
        self.view = FixityView(store, holds, settings, clock, good_for=self._pace.counts)
        self._throttle = Throttle(self._max_rate)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._last: datetime | None = None
        #: packages that cannot be checked now, until when
        self._left_out: dict[str, datetime] = {}
        self._troubled = False

    async def start(self) -> None:
        """Begin, where the last process has left off. It may be stopped and started again and again."""
        await self.resume()
        self._task = lasting(self._run, "fixity")

    async def resume(self) -> None:
        """Take up what the store says of the last process, to be stepped by hand."""
        self._throttle = Throttle(self._max_rate)
        self._last = await self._store.last_verified_at()

    async def stop(self) -> None:
        """Break off within a block of what is being read; nothing is noted of it. Harmless where nothing runs."""
        self._throttle.stop()
        self._wake.set()
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=self._pace.stop)
        self._task.cancel()  # a file system that does not answer is not waited for
        await asyncio.wait({self._task})
        self._task = None

    async def verify(self, package_id: str, version: int | None = None, *, by: str) -> Check:
        """Verify a package that somebody asks about. Raises as `Verifier.verify`."""
        check = await self.verifier.verify(package_id, version, by=by)
        if check.change is not FindingChange.NOTHING:
            self._wake.set()  # to tell it, and to repair it
        return check

    async def _run(self) -> None:
        while not self._throttle.stopped:
            self._wake.clear()
            wait = self._pace.look
            try:
                wait = min(await self.step(), wait)
            except Interrupted:
                return
            except StoreError as error:
                log.error("store_trouble", during="fixity", reason=str(error))
            if wait > 0 and not self._throttle.stopped:
                await wait_for_event(self._wake, wait)

    async def step(self) -> float:
        """Do what is due, one thing; return the seconds until the next may be."""
        await self._store.tell_findings(self._pace.messages)
        counts = await self.view.counts()
        self._metrics.stands(counts)
        if self._holds.storage is not None:
            return self._pace.look
        if await self._mend_next():
            return 0.0
        interval = self.view.interval(counts) if self.view.enabled else None
        if interval is None:
            return self._pace.look
        return await self._check_next(interval)

    def _waiting(self) -> Collection[str]:
        """Return the packages that are left out now."""
        now = self._clock()
        self._left_out = {one: until for one, until in self._left_out.items() if until > now}
        return self._left_out.keys()

    async def _check_next(self, interval: timedelta) -> float:
        now = self._clock()
        left_out = self._waiting()
        if len(left_out) >= _MOST_LEFT_OUT:
            return self._pace.look
        chosen = await self._store.next_to_verify(left_out)
        if chosen is None:
            return self._pace.look
        overdue = chosen.verified_at is not None and chosen.verified_at + self.view.due_within() <= now
        # a clock that was set back must not stop everything
        due = now if self._last is None or overdue else min(self._last, now) + interval
        if due > now:
            return (due - now).total_seconds()
        if await self._check(chosen.package_id):
            self._last = now
        return self._pace.look if self._troubled else 0.0

    async def _check(self, package_id: str) -> Check | None:
        """Verify a package; None where that cannot be done now, which says nothing of the package."""
        read = self._throttle.total
        try:
            check = await self.verifier.verify(package_id, by=_WHO, pace=self._throttle)
        except PackageBusy:
            self._left_out[package_id] = self._clock() + self._pace.busy
            self._metrics.checked("busy")
            return None
        except (PackageError, OSError) as error:
            await self._not_readable(package_id, str(error))
            return None
        finally:
            self._metrics.read(self._throttle.total - read)
        self._troubled = False
        self._metrics.checked("valid" if check.checked.kind is None else check.checked.kind.value)
        return check

    async def _not_readable(self, package_id: str, reason: str) -> None:
        """Tell a package that cannot be read from an archive that cannot: the one is left out, the other waited for."""
        self._metrics.checked("unreadable")
        if await self._away(reason):
            return
        self._left_out[package_id] = self._clock() + self._pace.unreadable
        log.warning("fixity_unreadable", package=package_id, reason=reason)

    async def _away(self, reason: str) -> bool:
        """Tell, behind an error, whether it is the archive itself that does not answer."""
        try:
            await asyncio.to_thread(self._archive.space)
        except (PackageError, OSError):
            if not self._troubled:
                log.warning("fixity_waits", reason=reason)
            self._troubled = True
            return True
        return False

    async def _mend_next(self) -> bool:
        """Repair the next package from a replica, where there is one; tell whether something was done."""
        if not self._mender.replicas:
            return False
        left_out = self._waiting()
        if len(left_out) >= _MOST_LEFT_OUT:
            return False
        found = await self._store.finding_to_mend(self._clock() - self._pace.repair, left_out)
        if found is None or self._throttle.stopped:
            return False
        return await self._mend(found)

    async def _mend(self, found: Finding) -> bool:
        """Repair a package, and have a check judge. Who dies in between begins again with the repair.

        Where nothing could be judged, since somebody writes to the package or the archive is away, nothing has failed:
        the finding stays untried, and is mended and checked again. False where it is the archive: that is waited for.
        """
        try:
            repair = await asyncio.to_thread(self._mender.repair, found.package_id)
            repaired, detail = repair.repaired, repair.detail
        except PackageBusy:
            self._left_out[found.package_id] = self._clock() + self._pace.busy
            return True
        except (PackageError, OSError) as error:
            if await self._away(str(error)):
                return False
            repaired, detail = False, str(error)
        await self._store.record_repair(found.id, detail, tried=False)
        check = await self._check(found.package_id) if repaired else None
        if repaired and check is None:
            return found.package_id in self._waiting()
        # somebody else's check may have closed the finding already
        await self._tell_mended(found, detail, well=check is not None and check.checked.kind is None)
        return True

    async def _tell_mended(self, found: Finding, detail: str, *, well: bool) -> None:
        await self._store.record_repair(found.id, detail, tried=True)
        self._metrics.repaired(well)
        if well:
            log.info("package_repaired", package=found.package_id, detail=detail)
        elif found.tried_at is None or detail != found.detail:  # what was never judged has its detail already
            log.error("package_not_repaired", package=found.package_id, detail=detail)
            await self._store.audit(_WHO, "package.repair", found.package_id, "failed", {"detail": detail})
