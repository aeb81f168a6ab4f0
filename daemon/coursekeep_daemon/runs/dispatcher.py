"""Hands out the work: has runs planned, and gives their items to the engine, fairly.

One task per integration. Its runs share what may be handed out, so that a run of 200,000 courses does not starve one
of five, and only as many items are handed out as can begin at once, or very nearly: a pause or a hold acts on the very
next course.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Iterable

import structlog

from coursekeep_daemon.engine import Engine
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.holds import HoldLevel, Holds
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.lms import Lms, Lmses
from coursekeep_daemon.runs.planning import Plannings
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.store import Run, Store, StoreError

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
        workbench: Workbench,
        holds: Holds,
        store_patience: Backoff | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._plannings = plannings
        self._workbench = workbench
        self._holds = holds
        self._store_patience = store_patience or Backoff(first=1.0, longest=30.0)
        self._desks = {lms.name: _Desk(lms) for lms in lmses.values()}
        self._tasks: list[asyncio.Task[None]] = []
        self._claiming = asyncio.Lock()

    async def start(self) -> None:
        """Put what a dead process left in flight back into the queue, then begin to hand out work."""
        if interrupted := await self._engine.recover():
            log.warning("interrupted_requeued", courses=interrupted)
        await self._engine.start(self._slot_is_free)
        self._holds.listen(self.wake)
        for name, desk in self._desks.items():
            self._tasks.append(lasting(functools.partial(self._serve, desk), f"dispatch {name}"))

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
        """Return how many courses this process is archiving now."""
        return self._engine.at_work

    async def _serve(self, desk: _Desk) -> None:
        """Serve one integration for ever. A database that does not answer is waited for, and told of once."""
        failures = 0
        while True:
            desk.wake.clear()
            try:
                await self._round(desk)
            except StoreError as error:
                desk.read_at = float("-inf")  # only what was read tells that the database is back
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
        free = [run for run in desk.runs if self._may_go_on(run)]
        for run in free:
            if run.status in {RunStatus.QUEUED, RunStatus.PLANNING}:
                self._plannings.begin(run, desk.lms, desk.look)
        async with self._claiming:  # integrations share the engine's slots
            await self._engine.look()
            await self._hand_out(desk, [run for run in free if run.status is not RunStatus.QUEUED])

    def _may_go_on(self, run: Run) -> bool:
        """Tell whether nothing holds a run; where only workers are missing, it is planned meanwhile."""
        hold = self._holds.hold(run)
        return hold is None or hold.level is HoldLevel.WORKERS

    async def _read(self, desk: _Desk) -> None:
        """Ask the store for pauses and open runs; finish runs that a dead process left without open items."""
        desk.read_at = time.monotonic()
        await self._holds.refresh()
        desk.runs = []
        for run in await self._store.open_runs():
            if run.integration != desk.lms.name:
                continue
            is_done = run.status is RunStatus.PROCESSING and not _open(run)
            if not is_done or not await self._workbench.finish_run(run.id):
                desk.runs.append(run)

    async def _hand_out(self, desk: _Desk, runs: Iterable[Run]) -> None:
        """Hand out items of each run in turn, as many of each, beginning after the run that was served last."""
        turn = sorted(runs, key=lambda run: (run.id <= desk.last_served, run.id))
        while turn and (room := self._room(desk)) > 0:
            run = turn.pop(0)
            wanted = max(1, room // (len(turn) + 1))
            if handed_out := await self._engine.hand_out(run, desk.lms, wanted):
                desk.last_served = run.id
            if handed_out == wanted:  # else it has no more that are due
                turn.append(run)
        could_begin = self._engine.serves(desk.lms.name) and self._window(desk) > 0
        waited, desk.waiting = desk.waiting, bool(turn) and could_begin
        if waited and not desk.waiting:
            self._slot_is_free()  # which was kept for this integration

    def _room(self, desk: _Desk) -> int:
        """Return how many items of an integration may be handed out: few where others wait, so that they take turns."""
        if not self._engine.serves(desk.lms.name) or not self._may_take_slot(desk):
            return 0
        room = min(self._window(desk), self._engine.free)
        return min(room, 1) if any(other.waiting for other in self._desks.values() if other is not desk) else room

    def _window(self, desk: _Desk) -> int:
        return desk.lms.courses_at_once - self._engine.in_flight(desk.lms.name)

    def _may_take_slot(self, desk: _Desk) -> bool:
        """Leave the slots to integrations that have work and fewer courses in flight: none starves another."""
        others = (other for other in self._desks.values() if other is not desk)
        mine = self._engine.in_flight(desk.lms.name)
        return not any(other.waiting and self._engine.in_flight(other.lms.name) < mine for other in others)

    def _slot_is_free(self) -> None:
        for desk in self._desks.values():
            desk.wake.set()


def _open(run: Run) -> int:
    return run.counts.get(ItemStatus.QUEUED, 0) + run.counts.get(ItemStatus.PROCESSING, 0)
