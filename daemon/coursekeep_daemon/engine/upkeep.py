"""What the leader looks after in the engine with workers: dead workers, lost jobs, jobs that nobody needs any more.

Whether a worker is dead is judged by the leader's own patience, not by comparing clocks: its sign of life has not
changed for so long, while the leader looked again and again and had an answer each time. So neither a clock that jumps
nor a database that was away for a minute makes the living look dead.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

import structlog

from coursekeep_daemon.engine.procrastinate import Job, Jobs
from coursekeep_daemon.store import LeaseState, Store, StoreError

__all__ = ["Upkeep"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Upkeep:
    """Looks every few seconds. `run` is a task of the leader."""

    def __init__(self, store: Store, jobs: Jobs, *, beat: float, silence: float) -> None:
        self._store = store
        self._jobs = jobs
        self._beat = beat
        self._silence = silence
        #: of each worker: its newest sign of life, and when that was first seen here
        self._seen: dict[str, tuple[datetime, float]] = {}
        #: since when each offer has been without a job, and each job without an offer
        self._missing: dict[int, float] = {}
        self._looked_at = float("-inf")

    async def run(self) -> None:
        """Look for ever. What the database does not answer is looked at later, with patience that begins anew."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.warning("store_trouble", during="looking after workers", reason=str(error))
                self._seen.clear()
                self._missing.clear()
            await asyncio.sleep(self._beat)

    async def look(self) -> None:
        """Look once: sweep who has been silent for too long, and mend the queue."""
        now = time.monotonic()
        if now - self._looked_at > self._silence:  # this process itself was stopped for a while
            self._seen.clear()
            self._missing.clear()
        await self._sweep(now)
        await self._mend(now)
        await self._jobs.alive(self._silence * 10)
        self._looked_at = now

    async def _sweep(self, now: float) -> None:
        workers = await self._store.workers()
        before = self._seen
        self._seen = {}
        for worker in workers:
            seen_at, since = before.get(worker.id, (None, now))
            self._seen[worker.id] = (worker.seen_at, since if seen_at == worker.seen_at else now)
        silent = {worker.id: worker.seen_at for worker in workers if now - self._seen[worker.id][1] >= self._silence}
        gone, items = await self._store.sweep_workers(silent)
        for item in items:
            log.warning("course_taken_back", run=item.run_id, item=item.id, status=item.status)
        for worker in workers:
            if worker.id in gone:  # one that gave a sign of life at the last moment was spared
                log.warning("worker_lost", worker=worker.name, host=worker.host, pid=worker.pid, silent=self._silence)

    async def _mend(self, now: float) -> None:
        """Take back offers whose job is lost, and delete jobs whose offer is gone: both only after a while.

        A job whose worker died between fetching and beginning it is never fetched again; nor is one that somebody
        deleted from the tables. A worker that is slow, not dead, may have such a job in its hands: it will find the
        lease gone.
        """
        jobs = await self._jobs.all()
        waiting = {job.fence for job in jobs if job.waits}
        leases = await self._store.leases()
        offered = {each.id for each in leases if each.state is LeaseState.OFFERED}
        lost = offered - waiting
        orphans = [job for job in jobs if job.fence not in offered or job.fence in lost]
        odd = lost | {-job.id for job in orphans}
        self._missing = {each: self._missing.get(each, now) for each in odd}
        ripe = {each for each, since in self._missing.items() if now - since >= self._silence}
        if (fences := lost & ripe) and (number := await self._store.withdraw_offers(fences)):
            log.warning("offers_lost", courses=number)
        await self._remove([job for job in orphans if -job.id in ripe])

    async def _remove(self, jobs: list[Job]) -> None:
        for job in jobs:
            await self._jobs.remove(job)
