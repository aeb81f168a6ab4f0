"""Whether a worker itself can write to the archive: its mount may be gone while everybody else's is well."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from coursekeep_daemon.package import PackageError
from coursekeep_daemon.runs.watch import Patience

__all__ = ["OwnStorage"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class OwnStorage:
    """Looks now and then, and more often while something is wrong. The leader tells operators of storage for all."""

    def __init__(self, check_writable: Callable[[], int], min_free: int, patience: Patience) -> None:
        self._check_writable = check_writable
        self._min_free = min_free
        self._patience = patience
        self._looked_at = float("-inf")
        self._trouble = ""
        self._doubted = False

    def doubt(self) -> None:
        """Look before the next course: somebody met trouble."""
        self._doubted = True

    async def fine(self) -> bool:
        """Tell whether a course may be begun."""
        pause = self._patience.full_storage if self._trouble else self._patience.storage
        if self._doubted or time.monotonic() - self._looked_at >= pause:
            await self._look()
        return not self._trouble

    async def _look(self) -> None:
        self._doubted = False
        before, self._trouble = self._trouble, await self._ask()
        self._looked_at = time.monotonic()
        if self._trouble and not before:
            log.error("worker_storage_held", reason=self._trouble)
        elif before and not self._trouble:
            log.info("worker_storage_released")

    async def _ask(self) -> str:
        try:
            free = await asyncio.to_thread(self._check_writable)
        except PackageError as error:
            return str(error)
        return "" if free >= self._min_free else f"{free:,} bytes are free, and archive.min_free asks for more"
