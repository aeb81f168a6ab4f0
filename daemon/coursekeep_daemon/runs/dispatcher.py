"""Hands out the work: has runs planned, claims their items fairly, and writes down what became of them.

One task per integration. Its runs take turns item by item, so that a run of 200,000 courses does not starve one of
five, and only as many items are claimed as can begin at once: a pause or a hold acts on the very next course.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable

import structlog

from coursekeep import StopRun
from coursekeep_daemon.engine import Engine
from coursekeep_daemon.logs import bound
from coursekeep_daemon.runs.archiver import Archiver
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.holds import Clock, Holds
from coursekeep_daemon.runs.hooks import Hooks
from coursekeep_daemon.runs.lms import Lms, Lmses
from coursekeep_daemon.runs.planning import Plannings
from coursekeep_daemon.runs.states import FailReason, ItemStatus, RunStatus
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.store import Conflict, Item, ItemResult, Run, Store, StoreError
from coursekeep_daemon.tracing import Tracing, note_result

__all__ = ["Dispatcher"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: seconds after which the store is asked again, whatever happened: pauses and due times come by themselves
_LOOK_AGAIN = 2.0


class _Desk:
    """What the dispatcher knows of one integration between two looks at the store."""

    def __init__(self, lms: Lms) -> None:
        self.lms = lms
        self.wake = asyncio.Event()
        self.runs: list[Run] = []
        self.read_at = float("-inf")
        self.in_flight = 0
        self.last_served = 0
        #: has courses that could begin, if there were a slot
        self.waiting = False

    def look(self) -> None:
        """Have the store asked at once: there is a new run, or something was released."""
        self.read_at = float("-inf")
        self.wake.set()


class Dispatcher:
    """Keeps all open runs going."""

    def __init__(
        self,
        *,
        store: Store,
        lmses: Lmses,
        engine: Engine,
        plannings: Plannings,
        archiver: Archiver,
        holds: Holds,
        hooks: Hooks,
        clock: Clock,
        finished: Callable[[Item, ItemResult], None] = lambda item, result: None,
        store_patience: Backoff | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Take what is needed; `finished` is called with each item that an attempt has ended."""
        self._store = store
        self._engine = engine
        self._plannings = plannings
        self._archiver = archiver
        self._holds = holds
        self._hooks = hooks
        self._clock = clock
        self._finished = finished
        self._tracing = tracing or Tracing()
        self._store_patience = store_patience or Backoff(first=1.0, longest=30.0)
        self._desks = {lms.name: _Desk(lms) for lms in lmses.values()}
        self._working: dict[int, Run] = {}  # runs of items in flight, by item
        self._tasks: list[asyncio.Task[None]] = []
        self._claiming = asyncio.Lock()

    async def start(self) -> None:
        """Begin to hand out work."""
        await self._engine.start(self._work)
        self._holds.listen(self.wake)
        for name, desk in self._desks.items():
            self._tasks.append(asyncio.create_task(self._serve(desk), name=f"dispatch {name}"))

    async def stop(self, timeout: float) -> None:
        """Claim nothing more, break off planning, and give courses in flight `timeout` seconds to finish."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._plannings.stop()
        broken_off = await self._engine.stop(timeout)
        log.info("dispatcher_stopped", courses_broken_off=broken_off)

    def wake(self) -> None:
        """Look at once: there is a new run, or something was released."""
        for desk in self._desks.values():
            desk.look()

    @property
    def in_flight(self) -> int:
        """Return how many courses are being archived now."""
        return len(self._working)

    async def _serve(self, desk: _Desk) -> None:
        """Serve one integration for ever. A database that does not answer is waited for, and told of once."""
        failures = 0
        while True:
            desk.wake.clear()
            try:
                await self._round(desk)
            except StoreError as error:
                failures += 1
                if failures == 1:
                    log.error("store_trouble", during="dispatching", reason=str(error))
                await asyncio.sleep(self._store_patience.seconds(failures))
                continue
            if failures:
                log.info("store_back")
                failures = 0
            await wait_for_event(desk.wake, _LOOK_AGAIN)

    async def _round(self, desk: _Desk) -> None:
        """Have planned what is to be planned, finish what is done, and claim what can begin."""
        if time.monotonic() - desk.read_at >= _LOOK_AGAIN:
            await self._read(desk)
        free = [run for run in desk.runs if self._holds.hold(run) is None]
        for run in free:
            if run.status in {RunStatus.QUEUED, RunStatus.PLANNING}:
                self._plannings.begin(run, desk.lms, desk.look)
        async with self._claiming:  # integrations share the engine's slots
            await self._claim(desk, [run for run in free if run.status is not RunStatus.QUEUED])

    async def _read(self, desk: _Desk) -> None:
        """Ask the store for pauses and open runs; finish runs that a dead process left without open items."""
        desk.read_at = time.monotonic()
        await self._holds.refresh()
        desk.runs = []
        for run in await self._store.open_runs():
            if run.integration != desk.lms.name:
                continue
            is_done = run.status is RunStatus.PROCESSING and not _open(run)
            if not is_done or not await self._finish_run(run.id):
                desk.runs.append(run)

    async def _claim(self, desk: _Desk, runs: Iterable[Run]) -> None:
        """Claim one item of each run in turn, beginning after the run that was served last."""
        turn = sorted(runs, key=lambda run: (run.id <= desk.last_served, run.id))
        while turn and desk.in_flight < desk.lms.courses_at_once and self._may_take_slot(desk):
            run = turn.pop(0)
            for item in await self._store.claim_items(run.id, limit=1, now=self._clock()):
                desk.in_flight += 1
                desk.last_served = run.id
                self._working[item.id] = run
                await self._engine.enqueue(item)
                turn.append(run)
        waited, desk.waiting = desk.waiting, bool(turn) and desk.in_flight < desk.lms.courses_at_once
        if waited and not desk.waiting:
            self._slot_is_free()  # which was kept for this integration

    def _may_take_slot(self, desk: _Desk) -> bool:
        """Leave the slots to integrations that have work and fewer courses in flight: none starves another."""
        others = (other for other in self._desks.values() if other is not desk)
        fewer = any(other.waiting and other.in_flight < desk.in_flight for other in others)
        return self._engine.free > 0 and not fewer

    async def _work(self, item: Item) -> None:
        """Do one item, and write down what became of it; broken off, it goes back to the queue without a count."""
        desk = self._desks[item.integration]
        run = self._working[item.id]
        try:
            with (
                bound(run=run.id, item=item.id, integration=item.integration),
                self._tracing.course(item) as span,
            ):
                try:
                    result, stopped = await self._archive(item, run, desk.lms)
                except asyncio.CancelledError:
                    await self._give_back(item)
                    raise
                note_result(span, result)
                with self._tracing.step("store"):
                    done = await self._write_down(result)
                await self._settle(result, done, stopped)
        finally:
            del self._working[item.id]
            desk.in_flight -= 1
            asyncio.get_running_loop().call_soon(self._slot_is_free)

    def _slot_is_free(self) -> None:
        for desk in self._desks.values():
            desk.wake.set()

    async def _archive(self, item: Item, run: Run, lms: Lms) -> tuple[ItemResult, str | None]:
        """Return the result, and why the whole run must stop, where it must."""
        try:
            return await self._archiver.archive(item, run, lms), None
        except StopRun as error:
            reason, detail = FailReason.CONNECTOR_ERROR, str(error)
            return ItemResult(item_id=item.id, status=ItemStatus.FAILED, reason=reason, detail=detail), detail

    async def _give_back(self, item: Item) -> None:
        """Put an item that was broken off back into the queue; failing that, the next start does it."""
        try:
            await self._store.finish_item(ItemResult(item_id=item.id, status=ItemStatus.QUEUED, count_attempt=False))
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
        with contextlib.suppress(StoreError):  # the next look at the store finishes the run
            if stopped is not None:
                await self._stop_run(item.run_id, stopped)
            await self._finish_run(item.run_id)

    async def _stop_run(self, run_id: int, reason: str) -> None:
        run = await self._store.change_run(run_id, RunStatus.FAILED, reason)
        log.warning("run_failed", reason=reason)
        self._hooks.tell("run_finished", run=run)

    async def _finish_run(self, run_id: int) -> bool:
        run = await self._store.finish_run_if_done(run_id)
        if run is None:
            return False
        log.info("run_finished", run=run.id, status=run.status, courses=run.total, gaps=run.gaps)
        self._hooks.tell("run_finished", run=run)
        return True


def _open(run: Run) -> int:
    return run.counts.get(ItemStatus.QUEUED, 0) + run.counts.get(ItemStatus.PROCESSING, 0)
