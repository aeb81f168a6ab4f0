"""A connection to PostgreSQL that stands for as long as something lasts: to hear notices, to hold a lock.

It belongs to no pool, and every question has a limit: one that a cut network leaves without answer is given up at once,
where the driver would first ask the server, over the same network, to cancel it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

__all__ = ["Standing"]


class Standing:
    """One asynchronous connection of psycopg, outside of transactions. Leave it through `async with`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._connection.close()

    async def ask(self, query: str, values: tuple[Any, ...] = (), *, within: float) -> Any:
        """Return the first value of the answer; None where there is none.

        Raises what the driver raises, and TimeoutError after `within` seconds: then the connection is over.
        """
        asked = asyncio.create_task(self._first(query, values))
        try:
            await asyncio.wait({asked}, timeout=within)
            if not asked.done():
                raise TimeoutError(f"the server has not answered for {within:g} s")
        finally:
            if not asked.done():
                self._break()
                await asyncio.wait({asked})
                asked.exception()  # which this made
        return asked.result()

    async def notices(self, seconds: float) -> AsyncIterator[str]:
        """Yield what notices say, for so many seconds. Raises what ends the connection."""
        async for notice in self._connection.notifies(timeout=seconds):
            yield notice.payload

    async def _first(self, query: str, values: tuple[Any, ...]) -> Any:
        cursor = await self._connection.execute(query, values)
        row = await cursor.fetchone() if cursor.description is not None else None
        return None if row is None else row[0]

    def _break(self) -> None:
        """End what the connection waits for, without a word to the server."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
