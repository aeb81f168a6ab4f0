"""Whether the database answers: asked at most once a second, however many want to know, and for a bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from coursekeep_daemon.store import StoreError

__all__ = ["DatabaseCheck"]

#: seconds that an answer counts
_COUNTS = 1.0
#: seconds that the database gets to answer
_PATIENCE = 2.0


class DatabaseCheck:
    """Asks the database whether it is there."""

    def __init__(self, ask: Callable[[], Awaitable[None]], *, patience: float = _PATIENCE) -> None:
        """Take what asks for as little as can be asked."""
        self._ask = ask
        self._patience = patience
        self._asked: asyncio.Task[str] | None = None
        self._answered_at = float("-inf")

    async def __call__(self) -> str:
        """Return why the database cannot be used; empty where it can."""
        if self._asked is None or (self._asked.done() and time.monotonic() - self._answered_at >= _COUNTS):
            self._asked = asyncio.create_task(self._find_out(), name="ask the database")
        try:
            return await asyncio.wait_for(asyncio.shield(self._asked), self._patience)
        except TimeoutError:
            return f"it has not answered for {self._patience:g} seconds"

    async def _find_out(self) -> str:
        try:
            await self._ask()
        except StoreError as error:
            return str(error)
        finally:
            self._answered_at = time.monotonic()
        return ""
