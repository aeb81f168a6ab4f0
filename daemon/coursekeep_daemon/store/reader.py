"""Reading: on connections of its own, in threads of its own, so that it never waits for the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from coursekeep_daemon.store.database import READERS, Database, translate
from coursekeep_daemon.store.errors import StoreError

__all__ = ["Reader"]

T = TypeVar("T")


class Reader:
    """Runs functions that only read, each on one consistent snapshot of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Make reading possible."""
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    def stop(self) -> None:
        """Wait for what is being read, and refuse further reads."""
        if self._threads is not None:
            self._threads.shutdown()
            self._threads = None

    async def __call__(self, read: Callable[[Connection], T]) -> T:
        """Run `read` with a connection in a thread and return what it returns.

        Raises `StoreError` where the database cannot be read or the store is not started.
        """
        if self._threads is None:
            raise StoreError("The store is not started, or stopped already.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, read)

    def _run(self, read: Callable[[Connection], T]) -> T:
        try:
            with self._database.reader.connect() as connection:
                return read(connection)
        except SQLAlchemyError as error:
            raise translate(error) from error
