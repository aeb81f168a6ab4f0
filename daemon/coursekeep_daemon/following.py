"""Following: what any daemon or worker has done reaches this one, through the events of the store.

Pauses and troubles are read again as soon as somebody has changed them, and whoever must act on a new run or a changed
schedule is called. What one event cannot tell, because the connection was down, is found at the next look.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import structlog

from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.store import Store, StoreError

__all__ = ["Following"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: kinds of events after which holds are read again
_HOLDING = frozenset({"hold", "integration", "worker"})
#: seconds of rest after each look: events of a run come by the thousand
_REST = 0.05
#: seconds after which is looked again, whatever happened
_LOOK_AGAIN = 5.0


class Following:
    """Keeps what this process knows as new as the store, as long as it is started."""

    def __init__(self, store: Store, holds: Holds) -> None:
        self._store = store
        self._holds = holds
        self._called: list[tuple[frozenset[str], Callable[[], None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow, from here on."""
        self._task = lasting(functools.partial(self._follow, await self._store.last_event_id()), "following")

    async def stop(self) -> None:
        """Follow no more. Harmless where nothing was started."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @contextmanager
    def calling(self, kinds: Collection[str], listener: Callable[[], None]) -> Iterator[None]:
        """Have a function called whenever there were events of these kinds, from whichever process."""
        entry = (frozenset(kinds), listener)
        self._called.append(entry)
        try:
            yield
        finally:
            self._called.remove(entry)

    async def _follow(self, position: int) -> None:
        failures, refreshed_at = 0, time.monotonic()
        kinds: set[str] = set()  # until they were acted upon: they are not read a second time
        with self._store.subscribe() as new:
            while True:
                new.clear()  # before reading: what comes in between wakes us again
                try:
                    position, new_kinds = await self._store.kinds_after(position)
                    kinds |= new_kinds
                    if kinds & _HOLDING or time.monotonic() - refreshed_at >= _LOOK_AGAIN:
                        await self._holds.refresh()
                        refreshed_at = time.monotonic()
                    if failures:
                        log.info("store_back", during="following")
                    failures = 0
                    acted, kinds = kinds, set()
                    self._call(acted)
                except StoreError as error:
                    failures += 1
                    if failures == 1:
                        log.error("store_trouble", during="following", reason=str(error))
                await asyncio.sleep(_REST)
                await wait_for_event(new, _LOOK_AGAIN)

    def _call(self, kinds: Collection[str]) -> None:
        for wanted, listener in list(self._called):
            if wanted.intersection(kinds):
                listener()
