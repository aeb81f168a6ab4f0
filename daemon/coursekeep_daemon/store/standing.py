"""A connection to PostgreSQL that stands for as long as something lasts: to hear notices, to hold a lock.

It belongs to no pool, and every question has a limit: one that a cut network leaves without answer is given up at once,
where the driver would first ask the server, over the same network, to cancel it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Self

from coursekeep_daemon.store.errors import StoreUnavailable
from coursekeep_daemon.store.postgresql_errors import meaning

__all__ = ["Standing"]


class Standing:
    """One asynchronous connection of psycopg, outside of transactions. Leave it through `async with`."""

    def __init__(self, connection: Any, driver: Any) -> None:
        self._connection = connection
        self._driver = driver

    @classmethod
    async def open(cls, driver: Any, arguments: Mapping[str, Any]) -> Self:
        """Connect, with the arguments of the driver. Raises `StoreError`."""
        with _translated(driver):
            return cls(await driver.AsyncConnection.connect(autocommit=True, **arguments), driver)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection."""
        await self._connection.close()

    async def ask(self, query: str, values: tuple[Any, ...] = (), *, within: float) -> Any:
        """Return the first value of the answer; None where there is none.

        Raises `StoreError`; `StoreUnavailable` after `within` seconds without answer: then the connection is over.
        """
        asked = asyncio.create_task(self._first(query, values))
        try:
            await asyncio.wait({asked}, timeout=within)
            if not asked.done():
                raise StoreUnavailable(f"The database server has not answered for {within:g} s.")
        finally:
            if not asked.done():
                self._break()
                await asyncio.wait({asked})
                asked.exception()  # which this made
        with _translated(self._driver):
            return asked.result()

    async def notices(self, seconds: float) -> AsyncIterator[str]:
        """Yield what notices say, for so many seconds. Raises `StoreError`."""
        with _translated(self._driver):
            async for notice in self._connection.notifies(timeout=seconds):
                yield notice.payload

    async def _first(self, query: str, values: tuple[Any, ...]) -> Any:
        cursor = await self._connection.execute(query, values or None)
        row = await cursor.fetchone() if cursor.description is not None else None
        return None if row is None else row[0]

    def _break(self) -> None:
        """End what the connection waits for, without a word to the server."""
        with (
            contextlib.suppress(OSError, self._driver.Error),
            socket.socket(fileno=os.dup(self._connection.fileno())) as wire,
        ):
            wire.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _translated(driver: Any) -> Iterator[None]:
    try:
        yield
    except (driver.Error, OSError) as error:
        raise meaning(error, lost=True) from error
