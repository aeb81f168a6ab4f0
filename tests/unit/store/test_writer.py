"""The one writer: groups what waits, keeps callers apart, and outlives a failing database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes.store_house import START, House, completed, new_run, plans, sqlite_house
from sqlalchemy import event, insert, literal, select

from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import Conflict, Store, StoreError, StoreLocked
from coursekeep_daemon.store.models import audit_event
from coursekeep_daemon.store.opening import open_database
from coursekeep_daemon.store.transaction import Transaction


@pytest.fixture
def file_house(tmp_path: Path) -> House:
    """A house whose database is a file: for what only files can suffer."""
    return sqlite_house(tmp_path)


def note(tx: Transaction, word: str) -> str:
    row = {"at": tx.now, "who": "x", "action": word, "target": "", "result": "", "detail": {}}
    tx.execute(insert(audit_event), row)
    return word


def told(tx: Transaction, word: str) -> str:
    tx.tell("run", {})
    return note(tx, word)


async def noted(store: Store) -> list[str]:
    return [each.action for each in reversed((await store.audit_events(limit=1000)).items)]


def count_commits(store: Store) -> list[int]:
    commits = [0]

    def committed(connection: object) -> None:
        commits[0] += 1

    event.listen(store._database.writer, "commit", committed)
    return commits


def test_grouped(house: House) -> None:
    """Changes that wait together are committed together."""

    async def test(store: Store) -> None:
        run = await new_run(store)
        await store.add_items(run.id, plans(200))
        items = await store.claim_items(run.id, limit=200, now=START)
        commits = count_commits(store)

        await asyncio.gather(*(store.finish_item(completed(item)) for item in items))

        assert commits[0] <= 3

    house.run(test)


def test_told_after_commit(house: House) -> None:
    """Whoever is told that a change is done can read it on any connection."""

    async def test(store: Store) -> None:
        other = open_database(house.url)

        async def change(n: int) -> None:
            await store.audit("x", str(n), "", "")
            with other.reader.connect() as connection:
                assert connection.execute(select(audit_event).where(audit_event.c.action == str(n))).one()

        await asyncio.gather(*(change(n) for n in range(50)))
        other.close()

    house.run(test)


def test_refused_alone(house: House) -> None:
    """A change that its rules refuse leaves no trace, and its neighbours are stored."""

    async def test(store: Store) -> None:
        def refused(tx: Transaction) -> None:
            note(tx, "half")
            tx.tell("run", {})
            raise Conflict("no")

        changes = [lambda tx: note(tx, "a"), refused, lambda tx: note(tx, "b")]
        outcomes = await asyncio.gather(*map(store._writer.run, changes), return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [str, Conflict, str]
        assert await noted(store) == ["a", "b"]
        assert await store.last_event_id() == 0

    house.run(test)


@pytest.mark.parametrize("fault", ["statement", "value", "code"])
def test_failing_alone(house: House, fault: str) -> None:
    """A change that the database refuses, or that is itself broken, fails alone: neighbours are stored once."""

    async def test(store: Store) -> None:
        def broken(tx: Transaction) -> None:
            note(tx, "half")
            tx.tell("run", {})
            if fault == "statement":
                tx.connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")
            elif fault == "value":
                tx.connection.execute(select(literal("half a \ud800 pair")))
            else:
                raise KeyError(fault)

        async def work(n: int) -> str:
            return await store._writer.run(lambda tx: told(tx, str(n)))

        outcomes = await asyncio.gather(
            *(work(n) for n in range(5)), store._writer.run(broken), work(5), return_exceptions=True
        )

        assert outcomes[:5] + outcomes[6:] == [str(n) for n in range(6)]
        assert isinstance(outcomes[5], Exception)
        assert await noted(store) == [str(n) for n in range(6)]
        assert await store.last_event_id() == 6

    house.run(test)


def test_failing_group(house: House) -> None:
    """One bad argument in a group of one kind does not fail the others of that kind."""

    async def test(store: Store) -> None:
        details: list[dict[str, object]] = [{"n": n} for n in range(5)]
        details[2] = {"n": object()}

        outcomes = await asyncio.gather(
            *(store.audit("x", str(n), "", "", detail) for n, detail in enumerate(details)), return_exceptions=True
        )

        assert [type(outcome) for outcome in outcomes] == [type(None)] * 2 + [TypeError] + [type(None)] * 2
        assert await noted(store) == ["0", "1", "3", "4"]

    house.run(test)


def test_disk_full(file_house: House) -> None:
    """With a full disk every caller is told, nothing is half stored, and the writer goes on once there is space."""

    async def test(store: Store) -> None:
        run = await new_run(store)
        await store.add_items(run.id, plans(50))
        items = await store.claim_items(run.id, limit=50, now=START)
        last = await store.last_event_id()
        with store._database.writer.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

        big = {"text": "x" * 200_000}
        outcomes = await asyncio.gather(
            *(store.audit("x", "y", "", "", big) for _ in range(20)), return_exceptions=True
        )
        with store._database.writer.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        await asyncio.gather(*(store.finish_item(completed(item)) for item in items))

        assert all(isinstance(outcome, StoreError) and "make space" in str(outcome) for outcome in outcomes)
        assert await noted(store) == []
        assert await store.last_event_id() == last + 50
        assert await store.check_counters(run.id) == {}

    file_house.run(test)


def test_failing_commit(file_house: House) -> None:
    """Where the commit itself fails, all its callers are told, nothing is stored, and nothing is tried twice."""

    async def test(store: Store) -> None:
        tries: list[str] = []

        def broken(tx: Transaction) -> str:
            tx.connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")  # so that the commit finds it out
            tx.connection.exec_driver_sql("INSERT INTO term VALUES ('nowhere', '1', 0, 'T', NULL, NULL, NULL)")
            return change(tx)

        def change(tx: Transaction) -> str:
            tries.append("x")
            return note(tx, "x")

        outcomes = await asyncio.gather(*map(store._writer.run, [change, broken, change]), return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {StoreError}
        assert len(tries) == 3
        assert await noted(store) == []
        assert await store._writer.run(change) == "x"
        assert await noted(store) == ["x"]

    file_house.run(test)


def test_locked(file_house: House) -> None:
    """A database that another process holds is reported as locked, and used again when it is free."""

    async def test(store: Store) -> None:
        other = sqlite3.connect(file_house.url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        outcomes = await asyncio.gather(*(store.audit("x", "y", "", "") for _ in range(5)), return_exceptions=True)
        other.execute("ROLLBACK")
        other.close()
        await store.audit("x", "z", "", "")

        assert {type(outcome) for outcome in outcomes} == {StoreLocked}
        assert await noted(store) == ["z"]

    file_house.run(test, lock_timeout=0.05)


def test_drained_at_stop(house: House) -> None:
    """Stopping commits what waits, and each caller is told; later changes are refused."""

    async def main() -> None:
        store = Store(house.url, clock=house.clock)
        await store.start()
        waiting = [asyncio.create_task(store.audit("x", str(n), "", "")) for n in range(100)]
        await asyncio.sleep(0)
        await store.stop()
        await asyncio.gather(*waiting)
        with pytest.raises(StoreError, match="stopped"):
            await store.audit("x", "late", "", "")
        await store.stop()

        async with house.open() as again:
            assert len(await noted(again)) == 100

    asyncio.run(main())


def test_canceled_caller(house: House) -> None:
    """A caller that is canceled before its change was taken leaves no trace, and nobody else waits for ever."""

    async def test(store: Store) -> None:
        tasks = [asyncio.create_task(store.audit("x", str(n), "", "")) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks[:5]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        only = asyncio.create_task(store.audit("x", "only", "", ""))
        await asyncio.sleep(0)
        only.cancel()
        await asyncio.gather(only, return_exceptions=True)
        await store.audit("x", "last", "", "")

        assert await noted(store) == ["5", "6", "7", "8", "9", "last"]

    house.run(test)


def test_reads_beside_writes(house: House) -> None:
    """Reading does not wait for an open transaction, and sees nothing of it."""

    async def test(store: Store) -> None:
        reached, release = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(tx: Transaction) -> str:
            word = note(tx, "slow")
            loop.call_soon_threadsafe(reached.set)
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(30)
            return word

        change = asyncio.create_task(store._writer.run(slow))
        await reached.wait()
        assert await noted(store) == []
        release.set()
        await change
        assert await noted(store) == ["slow"]

    house.run(test)


def test_secrets_stay_out(file_house: House) -> None:
    """A token's secret is nowhere in the database files, in clear or in part."""

    async def test(store: Store) -> None:
        _, secret = await store.create_token("ops", "admin")
        await store.token_for(secret)
        directory = Path(file_house.url.removeprefix("sqlite:///")).parent
        contents = b"".join(path.read_bytes() for path in directory.iterdir())
        assert b"ops" in contents
        assert secret.encode() not in contents
        assert secret[3:20].encode() not in contents

    file_house.run(test)


def test_durable(file_house: House) -> None:
    """Commits go through to the disk: WAL, with a sync for each."""

    async def test(store: Store) -> None:
        with store._database.writer.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1

    file_house.run(test)


def test_list_plans(file_house: House) -> None:
    """Lists of items are read along an index, without sorting, counting or stepping over what is before."""

    async def test(store: Store) -> None:
        run = await new_run(store)
        statements: list[tuple[str, Sequence[object]]] = []

        def seen(
            connection: object, cursor: object, statement: str, parameters: Sequence[object], *rest: object
        ) -> None:
            statements.append((statement, parameters))

        event.listen(store._database.reader, "before_cursor_execute", seen)
        await store.add_items(run.id, plans(5))
        for status in (None, ItemStatus.QUEUED):
            cursor = (await store.items(run.id, status=status, limit=2)).next_cursor
            await store.items(run.id, status=status, limit=2, cursor=cursor)
        event.remove(store._database.reader, "before_cursor_execute", seen)

        queries = [each for each in statements if "FROM item" in each[0]]
        assert len(queries) == 4
        for statement, parameters in queries:
            assert parameters[-1] == 0 if "OFFSET" in statement else True
            with store._database.reader.connect() as connection:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(parameters)).all()
            details = " | ".join(row[-1] for row in plan)
            assert "SEARCH item USING INDEX ix_item_run_id_" in details
            assert "TEMP B-TREE" not in details
            assert "SCAN" not in details

    file_house.run(test)


def test_nobody_waits_for_a_writer_that_was_ended(house: House) -> None:
    """Where its task is cancelled, as when a loop ends, what waits is refused, and so is what comes later."""

    async def main() -> None:
        async with house.open() as store:
            waiting = asyncio.create_task(store.audit("x", "y", "", ""))
            await asyncio.sleep(0)
            assert store._writer._task is not None
            store._writer._task.cancel()
            with pytest.raises(StoreError, match="ended before this change"):
                await waiting
            with pytest.raises(StoreError, match="stopped"):
                await store.audit("x", "z", "", "")

        async with house.open() as again:
            assert await noted(again) == []

    asyncio.run(main())
