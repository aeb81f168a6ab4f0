"""Where a course is worked on, by whichever engine: archived, its result written down, its run finished.

The dispatcher's own process does it with the local engine, worker processes do it with the other; nothing here knows
which. What it knows is that a result may be refused: a worker that was thought dead has been replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

import structlog

from coursekeep import StopRun
from coursekeep_daemon.logs import bound
from coursekeep_daemon.runs.archiver import Archiver, LeaseLost, Permit
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.hooks import Hooks
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.states import FailReason, ItemStatus, RunStatus
from coursekeep_daemon.runs.waiting import see_through
from coursekeep_daemon.store import Conflict, Item, ItemResult, Run, Store, StoreError
from coursekeep_daemon.tracing import Tracing, note_result

__all__ = ["Workbench"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Workbench:
    """Does items. One object serves all courses that a process has in flight."""

    def __init__(
        self,
        *,
        store: Store,
        archiver: Archiver,
        hooks: Hooks,
        finished: Callable[[Item, ItemResult], None] = lambda item, result: None,
        store_patience: Backoff | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Take what is needed; `finished` is called with each item that an attempt has ended."""
        self._store = store
        self._archiver = archiver
        self._hooks = hooks
        self._finished = finished
        self._tracing = tracing or Tracing()
        self._store_patience = store_patience or Backoff(first=1.0, longest=30.0)

    async def do(
        self, item: Item, run: Run, lms: Lms, *, fence: int | None = None, done: Callable[[], None] = lambda: None
    ) -> None:
        """Do one item, and write down what became of it; broken off, it goes back to the queue without a count.

        `fence` is that of the lease under which a worker has the item. `done` is called as soon as there is a result,
        before it is written. Raises nothing but cancellation.
        """
        about = bound(run=run.id, item=item.id, integration=item.integration)
        with about, self._tracing.course(item) as span:
            try:
                result, stopped = await self._archive(item, run, lms, fence)
            except asyncio.CancelledError:
                await self._give_back(item, fence)
                raise
            except LeaseLost:
                log.warning("course_dropped", reason="it was given to another worker, or taken back")
                return
            done()
            result = replace(result, fence=fence)
            note_result(span, result)
            await see_through(self._end(result, stopped))

    async def finish_run(self, run_id: int) -> bool:
        """Complete a run that has nothing left to do, and tell everyone; False where it has, or is complete already."""
        return await see_through(self._finish_run(run_id))

    async def _finish_run(self, run_id: int) -> bool:
        run = await self._store.finish_run_if_done(run_id)
        if run is None:
            return False
        log.info("run_finished", run=run.id, status=run.status, courses=run.total, gaps=run.gaps)
        self._hooks.tell("run_finished", run=run)
        return True

    async def _archive(self, item: Item, run: Run, lms: Lms, fence: int | None) -> tuple[ItemResult, str | None]:
        """Return the result, and why the whole run must stop, where it must."""
        try:
            return await self._archiver.archive(item, run, lms, self._permit(item, fence)), None
        except StopRun as error:
            reason, detail = FailReason.CONNECTOR_ERROR, str(error)
            return ItemResult(item_id=item.id, status=ItemStatus.FAILED, reason=reason, detail=detail), detail

    def _permit(self, item: Item, fence: int | None) -> Permit | None:
        """Return what tells whether the package may be committed, however long the database takes to say so."""
        if fence is None:
            return None

        async def permit() -> bool:
            failures = 0
            while True:
                try:
                    return await self._store.holds_lease(item.id, fence)
                except StoreError as error:
                    failures += 1
                    log.error("store_trouble", during="asking for the lease", reason=str(error))
                    await asyncio.sleep(self._store_patience.seconds(failures))

        return permit

    async def _give_back(self, item: Item, fence: int | None) -> None:
        """Put an item that was broken off back into the queue; failing that, the next start or the sweep does it."""
        result = ItemResult(item_id=item.id, status=ItemStatus.QUEUED, count_attempt=False, fence=fence)
        try:
            await self._store.finish_item(result)
        except Conflict as error:
            log.warning("result_refused", status=result.status, reason=str(error))
        except StoreError as error:
            log.error("store_trouble", during="giving back an item", reason=str(error))

    async def _write_down(self, result: ItemResult) -> Item | None:
        """Store a result, however long the database takes to come back; until then, nothing of it is lost.

        Should the process die meanwhile, the next attempt finds the package and takes the result from there.
        """
        failures = 0
        while True:
            try:
                return await self._store.finish_item(result)
            except Conflict as error:
                log.error("result_refused", status=result.status, reason=str(error))
                return None
            except StoreError as error:
                failures += 1
                log.error("store_trouble", during="writing a result", reason=str(error))
                await asyncio.sleep(self._store_patience.seconds(failures))

    async def _end(self, result: ItemResult, stopped: str | None) -> None:
        with self._tracing.step("store"):
            written = await self._write_down(result)
        await self._settle(result, written, stopped)

    async def _settle(self, result: ItemResult, item: Item | None, stopped: str | None) -> None:
        """Tell everyone about a result, and finish the run if it was the last."""
        if item is None:
            return
        if item.status is not ItemStatus.QUEUED:
            log.info("course_done", status=item.status, reason=item.reason, gaps=item.gaps, attempts=item.attempts)
            self._finished(item, result)
        if item.status is ItemStatus.COMPLETED:
            self._hooks.tell("course_archived", item=item)
        elif item.status is ItemStatus.FAILED:
            self._hooks.tell("course_failed", item=item)
        if stopped is not None:
            await self._stop_run(item.run_id, stopped)
        with contextlib.suppress(StoreError):  # the leader's next look at the store finishes the run
            await self.finish_run(item.run_id)

    async def _stop_run(self, run_id: int, reason: str) -> None:
        """End a run that would do harm, however long the database takes to come back."""
        failures = 0
        while True:
            try:
                run = await self._store.change_run(run_id, RunStatus.FAILED, reason)
                break
            except Conflict:  # it has ended already
                return
            except StoreError as error:
                failures += 1
                log.error("store_trouble", during="stopping a run", reason=str(error))
                await asyncio.sleep(self._store_patience.seconds(failures))
        log.warning("run_failed", reason=reason)
        self._hooks.tell("run_finished", run=run)
