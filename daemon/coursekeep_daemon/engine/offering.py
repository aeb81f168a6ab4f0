"""The leader's side of the engine with workers: a small window of offers, and the sweep of those who fell silent."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import structlog

from coursekeep_daemon.engine.base import Engine
from coursekeep_daemon.engine.procrastinate import Jobs
from coursekeep_daemon.engine.rhythm import Rhythm
from coursekeep_daemon.engine.upkeep import Upkeep
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.store import Conflict, ItemResult, LeaseState, Run, Store

__all__ = ["OfferingEngine"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class OfferingEngine(Engine):
    """Offers items to workers: as many as they have slots, and one more for each, so that none waits for the leader."""

    def __init__(self, store: Store, jobs: Jobs, clock: Callable[[], datetime], rhythm: Rhythm | None = None) -> None:
        self._store = store
        self._jobs = jobs
        self._clock = clock
        self._rhythm = rhythm or Rhythm()
        self._upkeep = Upkeep(store, jobs, beat=self._rhythm.beat, silence=self._rhythm.silence)
        self._stale = asyncio.Event()
        self._stale.set()
        self._leased: Counter[str] = Counter()
        self._slots = 0
        self._served: frozenset[str] = frozenset()
        self._tasks: list[asyncio.Task[None]] = []

    async def recover(self) -> int:
        """Queue again what the daemon itself had in flight before there were workers; theirs goes on."""
        return await self._store.requeue_unleased()

    async def start(self, wake: Callable[[], None]) -> None:
        await self._jobs.open()
        self._tasks = [
            lasting(functools.partial(self._follow, wake), "follow events"),
            lasting(self._upkeep.run, "sweep workers"),
        ]

    async def stop(self, timeout: float) -> int:
        """Offer nothing more. Nothing is broken off: workers go on, whoever leads."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._jobs.close()
        return 0

    async def look(self) -> None:
        """Read who works and what is offered, if that may have changed."""
        if not self._stale.is_set():
            return
        self._stale.clear()
        try:
            await self._look()
        except BaseException:
            self._stale.set()
            raise

    async def _look(self) -> None:
        crew = await self._store.crew()
        self._leased = Counter(crew.leased)
        self._slots = sum(slots + 1 for slots in crew.slots)
        self._served = crew.integrations

    @property
    def free(self) -> int:
        return max(0, self._slots - self._leased.total())

    def in_flight(self, integration: str) -> int:
        return self._leased[integration]

    @property
    def at_work(self) -> int:
        return 0  # workers archive, and tell it of themselves

    def serves(self, integration: str) -> bool:
        return integration in self._served

    async def hand_out(self, run: Run, lms: Lms, limit: int) -> int:
        offered = await self._store.offer_items(run.id, limit=limit, now=self._clock(), defer=self._jobs.defer)
        self._leased[lms.name] += len(offered)
        return len(offered)

    async def abort(self, item_id: int) -> None:
        """Take an item back. A worker that has begun it finds out with its next sign of life, and drops it."""
        for each in await self._store.leases():
            if each.item_id != item_id:
                continue
            if each.state is LeaseState.OFFERED and await self._store.withdraw_offers([each.id]):
                continue
            result = ItemResult(item_id=item_id, status=ItemStatus.QUEUED, count_attempt=False, fence=each.id)
            try:
                await self._store.finish_item(result)
            except Conflict as error:  # it has ended meanwhile
                log.info("abort_too_late", item=item_id, reason=str(error))

    async def _follow(self, wake: Callable[[], None]) -> None:
        """Look again after each change that anybody commits, and now and then, but not more often than makes sense."""
        with self._store.subscribe() as changed:
            while True:
                await wait_for_event(changed, self._rhythm.look)
                changed.clear()
                self._stale.set()
                wake()
                await asyncio.sleep(self._rhythm.gather)
