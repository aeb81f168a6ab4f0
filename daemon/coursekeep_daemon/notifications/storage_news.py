"""When to tell of the storage: once it has been in trouble, or well again, for a while."""

from __future__ import annotations

import asyncio
import time
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
        #: how the storage stands, and since when, by `time.monotonic`
        self._held, self._since = False, 0.0

    async def watch(self) -> None:
        """Watch for ever."""
        self._held, self._since = self._holds.storage is not None, time.monotonic()
        self._holds.listen(self._look)
        try:
            await self._compare_for_ever()
        finally:
            self._holds.unlisten(self._look)

    def _look(self) -> None:
        """Note each turn when it happens: one while the store was asked would be taken for older than it is."""
        held = self._holds.storage is not None
        if held is not self._held:
            self._held, self._since = held, time.monotonic()
        self._changed.set()

    async def _compare_for_ever(self) -> None:
        while True:
            self._changed.clear()
            wait: float | None = None
            try:
                told = await self._store.storage_told()
                if self._held is not told:
                    wait = self._since + self._steady - time.monotonic()
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
