"""When to tell of a replica: once it has been away, or back again, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.store import ReplicaState, Store, StoreError

__all__ = ["ReplicaNews", "Seen"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Seen(Protocol):
    """Whoever knows how replicas stand."""

    def met(self) -> list[ReplicaState]:
        """Return how those stand that were found there, or away, since the start."""

    def listen(self, changed: Callable[[], None]) -> None:
        """Have a function called whenever a replica was found to be away, or there."""

    def unlisten(self, changed: Callable[[], None]) -> None:
        """Call it no more."""


class ReplicaNews:
    """Compares how each replica stands with what was told of it last, and tells where they differ for long enough.

    As with storage, what was told is in the store: a restart, or another daemon that leads, tells nothing twice.
    """

    def __init__(self, store: Store, seen: Seen, steady: float, told: Callable[[], None]) -> None:
        self._store = store
        self._seen = seen
        self._steady = steady
        self._told = told
        self._changed = asyncio.Event()
        #: since when a replica stands otherwise than was told, by the loop's clock
        self._differs: dict[str, float] = {}

    async def watch(self) -> None:
        """Watch for ever."""
        self._seen.listen(self._changed.set)
        try:
            while True:
                self._changed.clear()
                await wait_for_event(self._changed, await self._compare())
        finally:
            self._seen.unlisten(self._changed.set)

    async def _compare(self) -> float | None:
        """Tell what is due; return the seconds until something may be, None where nothing will without a change."""
        try:
            told = await self._store.replicas_told()
            waits = [await self._look(state, told=state.address in told) for state in self._seen.met()]
        except StoreError as error:
            log.error("store_trouble", during="notifications", reason=str(error))
            return self._steady
        return min((wait for wait in waits if wait is not None), default=None)

    async def _look(self, state: ReplicaState, *, told: bool) -> float | None:
        away = state.away_since is not None
        if away == told:
            self._differs.pop(state.address, None)
            return None
        now = asyncio.get_running_loop().time()
        left = self._differs.setdefault(state.address, now) + self._steady - now
        if left > 0:
            return left
        if away:
            await self._store.tell_replica_away(state)
        else:
            await self._store.tell_replica_back(state.address)
        self._differs.pop(state.address, None)
        self._told()
        return None
