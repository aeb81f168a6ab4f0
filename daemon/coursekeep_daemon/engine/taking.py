"""A worker's side of the engine: fetches jobs while it has slots, begins their items, and stays known to the leader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from uuid import uuid4

import structlog

from coursekeep_daemon.engine.own_storage import OwnStorage
from coursekeep_daemon.engine.procrastinate import Job, Jobs
from coursekeep_daemon.engine.rhythm import Rhythm
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.lms import Lmses
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.store import Item, Run, Store, StoreError, Worker

__all__ = ["Taking"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: between attempts at a database that does not answer
_PATIENCE = Backoff(first=0.2, longest=5.0)


class Taking:
    """Takes courses until it is stopped. A database that goes away costs nothing of what is in flight."""

    def __init__(
        self,
        *,
        store: Store,
        jobs: Jobs,
        workbench: Workbench,
        lmses: Lmses,
        holds: Holds,
        storage: OwnStorage,
        worker: Worker,
        rhythm: Rhythm,
        plugin_troubles: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Take what is needed. `plugin_troubles` says what went wrong in plugins here; daemons are told of it."""
        self._store = store
        self._jobs = jobs
        self._workbench = workbench
        self._lmses = lmses
        self._holds = holds
        self._storage = storage
        self._worker = worker
        self._rhythm = rhythm
        self._plugin_troubles = plugin_troubles
        self._draining = False
        self._last_run: Run | None = None
        self._look = asyncio.Event()
        #: what is in flight, by fence
        self._courses: dict[int, asyncio.Task[None]] = {}
        #: fences of those that are being archived, up to their result: whose lease is gone meanwhile is to be dropped
        self._begun: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Make the worker known, and begin to take courses. Raises `StoreError`."""
        await self._store.enlist_worker(self._worker)
        await self._holds.refresh()
        self._holds.listen(self._look.set)
        self._tasks = [
            lasting(self._beat, "worker beat"),
            lasting(self._listen, "worker listen"),
            lasting(self._take, "worker take"),
        ]

    @property
    def busy(self) -> int:
        """Return how many courses are in flight."""
        return len(self._courses)

    async def stop(self, timeout: float) -> None:
        """Take no more, give what is in flight some seconds, break off the rest, and take leave."""
        if not self._tasks:
            return
        beat, *others = self._tasks
        self._draining = True
        await _ended(others)
        with contextlib.suppress(StoreError):
            await self._sign_of_life()
        if self._courses:
            log.info("worker_draining", courses=len(self._courses), seconds=timeout)
            await asyncio.wait(self._courses.values(), timeout=timeout)
        await _ended(self._courses.values())
        await _ended([beat])
        try:
            await self._store.leave_worker(self._worker.id)
        except StoreError as error:
            log.warning("store_trouble", during="taking leave", reason=str(error))
        self._tasks = []

    # Taking

    async def _take(self) -> None:
        failures = 0
        while True:
            self._look.clear()
            try:
                await self._take_all()
                failures = 0
            except StoreError as error:
                failures += 1
                if failures == 1:
                    log.warning("store_trouble", during="taking a course", reason=str(error))
                await asyncio.sleep(_PATIENCE.seconds(failures))
                continue
            await wait_for_event(self._look, self._rhythm.look)

    async def _take_all(self) -> None:
        """Fetch as many jobs as there are slots for, if nothing holds, and have their courses archived.

        All of them are begun at once, which the store does in one transaction. Raises `StoreError`; what was fetched
        before goes on.
        """
        jobs: list[Job] = []
        try:
            while len(self._courses) + len(jobs) < self._worker.concurrency and await self._may_take():
                job = await self._jobs.fetch([name for name in self._lmses if not self._holds.troubled(name)])
                if job is None:
                    break
                jobs.append(job)
        finally:
            for job in jobs:
                self._start(job)

    async def _may_take(self) -> bool:
        if self._holds.storage is not None:
            self._storage.doubt()
            return False
        return await self._storage.fine()

    def _start(self, job: Job) -> None:
        course = asyncio.create_task(self._course(job), name=f"item {job.item_id}")
        self._courses[job.fence] = course
        course.add_done_callback(lambda _: self._ended(job.fence))

    def _ended(self, fence: int) -> None:
        del self._courses[fence]
        self._begun.discard(fence)
        self._look.set()

    async def _course(self, job: Job) -> None:
        item = await self._begin(job)
        await self._done_with(job)
        if item is None:
            return
        self._begun.add(job.fence)
        run = await self._run(item)
        lms = self._lmses[item.integration]
        await self._workbench.do(item, run, lms, fence=job.fence, done=lambda: self._begun.discard(job.fence))

    async def _begin(self, job: Job) -> Item | None:
        """Begin an item, however long the database takes; by then the leader may have taken it back."""
        failures = 0
        while True:
            try:
                return await self._store.begin_item(job.item_id, job.fence, self._worker.id)
            except StoreError as error:
                failures += 1
                log.warning("store_trouble", during="beginning a course", reason=str(error))
                await asyncio.sleep(_PATIENCE.seconds(failures))

    async def _run(self, item: Item) -> Run:
        """Return the run of an item; what a worker needs of it does not change, so it is kept for those that follow."""
        if self._last_run is not None and self._last_run.id == item.run_id:
            return self._last_run
        failures = 0
        while True:
            try:
                run = await self._store.run_in_brief(item.run_id)
            except StoreError as error:
                failures += 1
                log.warning("store_trouble", during="reading a run", reason=str(error))
                await asyncio.sleep(_PATIENCE.seconds(failures))
            else:
                assert run is not None, "an item has a run: the database sees to it"
                self._last_run = run
                return run

    async def _done_with(self, job: Job) -> None:
        """Delete a job: from now on the lease says what is known. Where that fails, the leader clears it away."""
        try:
            await self._jobs.remove(job)
        except StoreError as error:
            log.warning("store_trouble", during="deleting a job", reason=str(error))

    async def _listen(self) -> None:
        failures = 0
        while True:
            self._look.set()  # whatever came before this moment
            try:
                await self._jobs.listen(self._look.set)
            except StoreError:  # jobs are found by looking, a little later
                failures += 1
                await asyncio.sleep(_PATIENCE.seconds(min(failures, 5)))

    # Signs of life

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._rhythm.beat)
            try:
                await self._beat_once()
            except StoreError as error:
                log.warning("store_trouble", during="giving a sign of life", reason=str(error))

    async def _beat_once(self) -> None:
        before = set(self._begun)
        held = await self._sign_of_life()
        if held is None:
            log.error(
                "worker_replaced", worker=self._worker.name, reason="it was silent for too long", courses=len(before)
            )
            self._drop(before)
            self._worker = replace(self._worker, id=uuid4().hex)
            await self._store.enlist_worker(self._worker)
            return
        self._drop(before - held)
        await self._jobs.alive(self._rhythm.silence * 10)
        await self._holds.refresh()

    async def _sign_of_life(self) -> frozenset[int] | None:
        return await self._store.beat_worker(
            self._worker.id, draining=self._draining, plugin_troubles=self._plugin_troubles()
        )

    def _drop(self, fences: Iterable[int]) -> None:
        """Break off courses that are others' now: whatever they would write is refused.

        One that has ended while the answer was on its way has lost its lease by its own result, and is left alone.
        """
        for fence in self._begun.intersection(fences):
            if course := self._courses.get(fence):
                log.warning("course_dropped", reason="it was given to another worker, or taken back")
                self._begun.discard(fence)  # once: the next sign of life is not to break off its cleaning up
                course.cancel()


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks, and wait until they have cleaned up."""
    if wanted := set(tasks):
        for task in wanted:
            task.cancel()
        await asyncio.wait(wanted)
