"""Reads that are done together: one trip to the database answers all who wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fakes.service_bench import eventually
from sqlalchemy import Connection

from coursekeep_daemon.store import StoreError
from coursekeep_daemon.store.opening import open_database
from coursekeep_daemon.store.reader import Reader


class Doubling:
    """A group read that doubles numbers, in groups that it notes; it can be held up, and fails for words."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.groups: list[list[object]] = []

    def __call__(self, connection: Connection, numbers: Sequence[object]) -> list[int]:
        self.groups.append(list(numbers))
        assert self.gate.wait(10)
        connection.exec_driver_sql("SELECT 1")
        return [2 * int(str(number)) for number in numbers]


def with_reader(tmp_path: Path, test: Callable[[Reader, Doubling], Awaitable[None]]) -> None:
    @asynccontextmanager
    async def reader() -> AsyncIterator[Reader]:
        database = open_database(f"sqlite:///{tmp_path / 'store.db'}")
        made = Reader(database)
        made.start()
        try:
            yield made
        finally:
            await asyncio.to_thread(made.stop)
            database.close()

    async def main() -> None:
        async with asyncio.timeout(20), reader() as made:
            await test(made, Doubling())

    asyncio.run(main())


async def all_wait(reader: Reader, read: Doubling, *numbers: object) -> list[asyncio.Task[int]]:
    """Have a first read begin and stand still, and the others wait behind it."""
    tasks = []
    for number in numbers:
        tasks.append(asyncio.create_task(reader.together(read, number)))
        while not read.groups:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def test_who_waits_is_answered_together(tmp_path: Path) -> None:
    """What is asked while a read is going on makes up the next one, and each gets the answer to its own question."""

    async def test(reader: Reader, read: Doubling) -> None:
        tasks = await all_wait(reader, read, 1, 2, 3, 2)
        read.gate.set()

        assert await asyncio.gather(*tasks) == [2, 4, 6, 4]
        assert read.groups == [[1], [2, 3, 2]]
        assert await reader.together(read, 8) == 16

    with_reader(tmp_path, test)


def test_a_read_that_fails_fails_for_those_who_waited_for_it_only(tmp_path: Path) -> None:
    """Whatever goes wrong in a read reaches everybody who waits for it; the reads before and after it are well."""

    async def test(reader: Reader, read: Doubling) -> None:
        tasks = await all_wait(reader, read, 1, 2, "three")
        read.gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)

        assert outcomes[0] == 2
        assert [type(each) for each in outcomes[1:]] == [ValueError, ValueError]
        assert await reader.together(read, 4) == 8

    with_reader(tmp_path, test)


def test_who_stops_waiting_takes_nobody_along(tmp_path: Path) -> None:
    """A caller that is cancelled is left out; the others are answered."""

    async def test(reader: Reader, read: Doubling) -> None:
        tasks = await all_wait(reader, read, 1, 2, 3)
        tasks[0].cancel()
        tasks[1].cancel()
        read.gate.set()

        assert await tasks[2] == 6
        assert read.groups == [[1], [3]]

    with_reader(tmp_path, test)


def test_a_closed_store_answers_nobody(tmp_path: Path) -> None:
    """Reading together needs a started store, as every read does."""

    async def test(reader: Reader, read: Doubling) -> None:
        reader.stop()
        with pytest.raises(StoreError, match="not started"):
            await reader.together(read, 1)

    with_reader(tmp_path, test)


def test_a_store_that_stops_says_so_to_who_comes_meanwhile(tmp_path: Path) -> None:
    """While the last reads end, another one is refused with `StoreError`, as it is afterwards."""

    async def test(reader: Reader, read: Doubling) -> None:
        (last,) = await all_wait(reader, read, 1)
        stopping = asyncio.create_task(asyncio.to_thread(reader.stop))
        refused: list[type[BaseException]] = []

        async def asked() -> bool:
            asking = asyncio.create_task(reader(lambda connection: None))
            await asyncio.wait({asking}, timeout=0.1)
            asking.cancel()  # the threads of the reader still took it, so it waits
            (outcome,) = await asyncio.gather(asking, return_exceptions=True)
            if not isinstance(outcome, asyncio.CancelledError | None):
                refused.append(type(outcome))
            return bool(refused)

        try:
            await eventually(asked)
        finally:
            read.gate.set()
        assert await last == 2
        await stopping
        assert refused == [StoreError]

    with_reader(tmp_path, test)
