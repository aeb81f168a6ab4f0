"""The engine in the daemon itself: bounded asyncio tasks. Its queue is the store, so a start has nothing to recover."""

from __future__ import annotations

import asyncio

from coursekeep_daemon.engine.base import Engine, Work
from coursekeep_daemon.store import Item

__all__ = ["LocalEngine"]


class LocalEngine(Engine):
    """Executes items as tasks of the running event loop, at most `concurrency` at once."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._work: Work | None = None

    async def start(self, work: Work) -> None:
        self._work = work

    @property
    def free(self) -> int:
        return max(0, self._concurrency - len(self._tasks))

    async def enqueue(self, item: Item) -> None:
        if self._work is None:
            raise RuntimeError("the engine has not been started, or has been stopped")
        task = asyncio.ensure_future(self._work(item))
        self._tasks[item.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(item.id, None))

    async def abort(self, item_id: int) -> None:
        if task := self._tasks.get(item_id):
            task.cancel()
            await asyncio.wait({task})

    async def stop(self, timeout: float) -> int:
        self._work = None
        if not (tasks := set(self._tasks.values())):
            return 0
        _, late = await asyncio.wait(tasks, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return len(late)
