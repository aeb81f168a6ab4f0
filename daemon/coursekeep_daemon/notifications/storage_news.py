"""When to tell of the storage: once it has been in trouble, or well again, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.store import Store, StoreError

__all__ = ["StorageNews"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class StorageNews:
    """Compares how the storage stands with what was told last, and tells where they differ for long enough.

    What was told last is in the store, so a restart tells nothing twice; and storage that comes and goes, as a disk at
    its limit does, makes no message at each turn.
    """

    def __init__(self, store: Store, holds: Holds, steady: float, told: Callable[[], None]) -> None:
        self._store = store
        self._holds = holds
        self._steady = steady
        self._told = told
        self._changed = asyncio.Event()

    async def watch(self) -> None:
        """Watch for ever."""
        self._holds.listen(self._changed.set)
        try:
            await self._compare_for_ever()
        finally:
            self._holds.unlisten(self._changed.set)

    async def _compare_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        differs_since: float | None = None
        while True:
            self._changed.clear()
            try:
                differs = (self._holds.storage is not None) != await self._store.storage_told()
                if not differs:
                    differs_since, wait = None, None
                else:
                    differs_since = loop.time() if differs_since is None else differs_since
                    wait = differs_since + self._steady - loop.time()
                    if wait <= 0:
                        await self._tell()
                        continue
            except StoreError as error:
                log.error("store_trouble", during="notifications", reason=str(error))
                wait = self._steady
            await wait_for_event(self._changed, wait)

    async def _tell(self) -> None:
        hold = self._holds.storage
        if hold is None:
            await self._store.tell_storage_released()
        else:
            await self._store.tell_storage_held(hold.reason, hold.since)
        self._told()
