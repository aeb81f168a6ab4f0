"""Reading: on connections of its own, in threads of its own, so that it never waits for the writer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from coursekeep_daemon.store.database import READERS, Database
from coursekeep_daemon.store.errors import StoreError
from coursekeep_daemon.store.opening import translate
from coursekeep_daemon.store.watching import StoreObserver

__all__ = ["GroupRead", "Reader"]

T = TypeVar("T")
A = TypeVar("A")

#: reads what several ask at once: gets the arguments of all, gives one answer each, in their order
GroupRead = Callable[[Connection, Sequence[A]], Sequence[T]]

_Waiting = list[tuple[Any, "asyncio.Future[Any]"]]


class Reader:
    """Runs functions that only read, each on one consistent snapshot of the database."""

    def __init__(self, database: Database, observer: StoreObserver | None = None) -> None:
        self._database = database
        self._observer = observer or StoreObserver()
        self._threads: ThreadPoolExecutor | None = None
        #: by kind of group read: who waits for the next one; there is an entry as long as one is going on
        self._waiting: dict[GroupRead[Any, Any], _Waiting] = {}
        self._groups: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Make reading possible."""
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")

    def stop(self) -> None:
        """Wait for what is being read, and refuse further reads."""
        threads, self._threads = self._threads, None  # at once: who asks meanwhile must not meet a pool that is shut
        if threads is not None:
            threads.shutdown()

    async def __call__(self, read: Callable[[Connection], T]) -> T:
        """Run `read` with a connection in a thread and return what it returns.

        Raises `StoreError` where the database cannot be read or the store is not started.
        """
        if self._threads is None:
            raise StoreError("The store is not started, or stopped already.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, read)

    async def together(self, read: GroupRead[A, T], argument: A) -> T:
        """Have something read together with all else of its kind that waits: one trip to a thread answers many.

        The read begins after this call, so it sees everything that was committed before. Raises as a call does.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if read in self._waiting:
            self._waiting[read].append((argument, future))
        else:
            self._waiting[read] = [(argument, future)]
            task = asyncio.create_task(self._read_groups(read))
            self._groups.add(task)
            task.add_done_callback(self._groups.discard)
        return await future

    async def _read_groups(self, read: GroupRead[Any, Any]) -> None:
        """Read for all who wait, and again for those who came meanwhile, until nobody waits."""
        group: _Waiting = []
        try:
            while group := [each for each in self._waiting[read] if not each[1].done()]:
                self._waiting[read] = []
                await self._read_group(read, group)
        finally:
            for _, future in [*group, *self._waiting.pop(read)]:
                future.cancel()  # does nothing to who has been answered: only a task that is cancelled leaves others

    async def _read_group(self, read: GroupRead[Any, Any], group: _Waiting) -> None:
        arguments = [argument for argument, _ in group]
        try:
            answers: Sequence[Any] = await self(lambda connection: read(connection, arguments))
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        except Exception as error:  # noqa: BLE001  # goes to those who wait, as with any future
            for _, future in group:
                if not future.done():
                    future.set_exception(error)

    def _run(self, read: Callable[[Connection], T]) -> T:
        began = time.perf_counter()
        try:
            try:
                return self._once(read)
            except DBAPIError as error:
                if not self._database.begins_again(error):
                    raise
                return self._once(read)  # it changes nothing, so nothing is done twice
        except SQLAlchemyError as error:
            raise translate(error) from error
        finally:
            self._observer.read(time.perf_counter() - began)

    def _once(self, read: Callable[[Connection], T]) -> T:
        with self._database.reader.connect() as connection:
            return read(connection)
