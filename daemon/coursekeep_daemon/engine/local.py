"""The engine in the daemon itself: bounded asyncio tasks. Its queue is the store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from coursekeep_daemon.engine.base import Engine
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.waiting import see_through
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.store import Item, Run, Store

__all__ = ["LocalEngine"]


class LocalEngine(Engine):
    """Executes items as tasks of the running event loop, at most `concurrency` at once."""

    def __init__(self, store: Store, workbench: Workbench, concurrency: int, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._workbench = workbench
        self._concurrency = concurrency
        self._clock = clock
        #: items, by the task: one that goes back to the queue may be claimed again before its task has ended
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._in_flight: Counter[str] = Counter()
        self._wake: Callable[[], None] | None = None

    async def recover(self) -> int:
        return await self._store.requeue_interrupted()

    async def start(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    async def look(self) -> None:
        """Do nothing: whatever changes, changes here."""

    @property
    def free(self) -> int:
        return max(0, self._concurrency - len(self._tasks))

    def in_flight(self, integration: str) -> int:
        return self._in_flight[integration]

    @property
    def at_work(self) -> int:
        return len(self._tasks)

    async def hand_out(self, run: Run, lms: Lms, limit: int) -> int:
        if self._wake is None:
            raise RuntimeError("the engine has not been started, or has been stopped")
        return await see_through(self._claim(run, lms, limit))

    async def _claim(self, run: Run, lms: Lms, limit: int) -> int:
        """Claim items and begin them: what a claim took that was broken off, nobody would give back."""
        items = await self._store.claim_items(run.id, limit=limit, now=self._clock())
        for item in items:
            self._begin(item, run, lms)
        return len(items)

    def _begin(self, item: Item, run: Run, lms: Lms) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            del self._tasks[task]
            self._in_flight[item.integration] -= 1
            if self._wake is not None:
                self._wake()

        self._in_flight[item.integration] += 1
        task = asyncio.create_task(self._workbench.do(item, run, lms), name=f"item {item.id}")
        self._tasks[task] = item.id
        task.add_done_callback(ended)

    async def abort(self, item_id: int) -> None:
        tasks = {task for task, one in self._tasks.items() if one == item_id}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def stop(self, timeout: float) -> int:
        self._wake = None
        if not (tasks := set(self._tasks)):
            return 0
        _, late = await asyncio.wait(tasks, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return len(late)
