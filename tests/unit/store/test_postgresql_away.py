"""What only a database server can do to a store: go away, lose an answer, let others in."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress

import pytest
from fakes.postgres_proxy import LossyProxy
from fakes.postgres_server import PostgresServer
from fakes.store_house import START, House, completed, new_run, note, noted, plans
from sqlalchemy import event, select
from sqlalchemy.exc import DBAPIError

from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import (
    Conflict,
    OutcomeUnknown,
    Sharing,
    Store,
    StoreError,
    StoreLocked,
    StoreUnavailable,
    postgresql,
)
from coursekeep_daemon.store.opening import open_database
from coursekeep_daemon.store.transaction import Transaction


@pytest.mark.parametrize("lost", ["answer", "question"])
def test_a_commit_without_answer_is_neither_lost_nor_done_twice(
    own_server: PostgresServer, own_house: House, lost: str
) -> None:
    """Where the answer is lost, callers learn what became of it: stored once, or not at all and said so."""
    proxy = LossyProxy(own_server.folder)
    house = House(proxy.url(own_house.url))

    async def test(store: Store) -> None:
        run = await new_run(store)
        await store.add_items(run.id, plans(20))
        items = await store.claim_items(run.id, limit=20, now=START)
        proxy.lose = lost
        outcomes = await asyncio.gather(*(store.finish_item(completed(each)) for each in items), return_exceptions=True)
        done = [each for each in await store_items(store, run.id) if each is ItemStatus.COMPLETED]

        assert proxy.lost == 1
        told = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert len(told) == len(done) == (20 if lost == "answer" else 0)
        assert all(isinstance(each, StoreUnavailable) for each in outcomes if isinstance(each, BaseException))
        assert await store.check_counters(run.id) == {}
        if lost == "question":
            await asyncio.gather(*(store.finish_item(completed(each)) for each in items))
        assert len((await store.packages(limit=100)).items) == 20
        assert await store.check_counters(run.id) == {}

    house.run(test)
    proxy.close()


async def store_items(store: Store, run_id: int) -> list[ItemStatus]:
    return [each.status for each in (await store.items(run_id, limit=1000)).items]


def test_a_server_that_does_not_come_back_leaves_the_outcome_open(
    own_server: PostgresServer, own_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody can find out is not claimed: the caller is told that the change may be stored."""
    monkeypatch.setattr(postgresql, "_FINDING_OUT", 0.2)

    async def test(store: Store) -> None:
        def killing(connection: object) -> None:
            own_server.stop(signal.SIGQUIT)

        await store.audit("x", "before", "", "")
        event.listen(store._database.writer, "commit", killing)
        with pytest.raises(OutcomeUnknown, match="look before you try again"):
            await store.audit("x", "open", "", "")
        event.remove(store._database.writer, "commit", killing)
        await asyncio.to_thread(own_server.start)
        await store.audit("x", "after", "", "")

        assert await noted(store) == ["before", "after"]

    own_house.run(test)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_restart_between_two_changes_is_not_noticed(
    own_server: PostgresServer, own_house: House, how: signal.Signals
) -> None:
    """Connections that the server closed are replaced: the first change and the first reads after it succeed."""

    async def test(store: Store) -> None:
        run = await new_run(store)
        await asyncio.gather(*(store.runs() for _ in range(8)))
        await asyncio.to_thread(own_server.restart, how)
        read = await asyncio.gather(*(store.run(run.id) for _ in range(8)))
        await store.audit("x", "after", "", "")

        assert {each.id for each in read if each is not None} == {run.id}
        assert await noted(store) == ["after"]

    own_house.run(test)


def test_a_server_that_dies_within_a_transaction_leaves_nothing_of_it(
    own_server: PostgresServer, own_house: House
) -> None:
    """Changes whose transaction the server did not survive are told so or stored once; the store goes on by itself."""

    async def test(store: Store) -> None:
        killed = threading.Event()

        def broken(tx: Transaction) -> None:
            note(tx, "broken")
            if not killed.is_set():
                killed.set()
                own_server.restart(signal.SIGQUIT)
            note(tx, "broken, the second half")

        changes = [lambda tx: note(tx, "a"), broken, lambda tx: note(tx, "b")]
        outcomes = await asyncio.gather(*map(store._writer.run, changes), return_exceptions=True)

        assert outcomes == [None, None, None]
        assert await noted(store) == ["a", "broken", "broken, the second half", "b"]
        await asyncio.to_thread(own_server.stop)
        with pytest.raises(StoreUnavailable, match=r"cannot be used|went away"):
            await store.audit("x", "away", "", "")
        with pytest.raises(StoreUnavailable):
            await store.runs()
        await asyncio.to_thread(own_server.start)
        await store.audit("x", "back", "", "")
        assert (await noted(store))[-1] == "back"

    own_house.run(test)


def test_one_daemon_writes_to_a_database(pg_house: House) -> None:
    """A second daemon is refused until the first has ended; commands write beside it."""

    async def main() -> None:
        async with pg_house.open(sharing=Sharing.ALONE) as daemon:
            with pytest.raises(StoreLocked, match="Another daemon works"):
                async with pg_house.open(sharing=Sharing.ALONE, lock_timeout=0.1):
                    pass
            async with pg_house.open() as command:
                await command.audit("x", "command", "", "")
            await daemon.audit("x", "daemon", "", "")
        async with pg_house.open(sharing=Sharing.ALONE) as daemon:
            assert await noted(daemon) == ["command", "daemon"]

    asyncio.run(main())


def test_a_daemon_that_was_replaced_cannot_write(own_server: PostgresServer, own_house: House) -> None:
    """Who lost its connection, and finds another daemon at work, writes nothing more; it can read."""

    async def main() -> None:
        async with own_house.open(sharing=Sharing.ALONE, lock_timeout=3.0) as first:
            await first.audit("x", "first", "", "")
            with own_server.connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                )
            async with own_house.open(sharing=Sharing.ALONE) as second:
                await second.audit("x", "second", "", "")
                with pytest.raises(StoreLocked):
                    await first.audit("x", "late", "", "")
                assert await noted(first) == ["first", "second"]
            await first.audit("x", "again", "", "")
            assert await noted(first) == ["first", "second", "again"]

    asyncio.run(main())


def test_writers_take_turns(pg_house: House) -> None:
    """Two processes that write judge by what the other has committed: ids are in the order of the commits."""

    async def main() -> None:
        async with pg_house.open() as one, pg_house.open() as other:
            run = await new_run(one)
            added = await asyncio.gather(
                *(store.add_items(run.id, plans(60, first)) for first in (1, 31, 61) for store in (one, other))
            )
            claims = await asyncio.gather(
                *(store.claim_items(run.id, limit=10, now=START) for _ in range(8) for store in (one, other))
            )
            taken = [each.id for part in claims for each in part]

            assert sum(added) == 120
            assert len(taken) == len(set(taken)) == 120
            assert await one.check_counters(run.id) == {}
            told = await one.events_after(0, limit=1000)
            assert [each.id for each in told] == sorted(each.id for each in told)

    asyncio.run(main())


def test_a_writer_that_is_held_up_says_so(pg_house: House) -> None:
    """A lock that another session keeps is reported as locked, and taken when it is free."""

    async def main() -> None:
        other = open_database(pg_house.url)
        async with pg_house.open(lock_timeout=0.05) as store:
            with other.writer.begin() as connection:
                connection.execute(select(1))
                with pytest.raises(StoreLocked, match="try again later"):
                    await store.audit("x", "held", "", "")
            await store.audit("x", "free", "", "")
            assert await noted(store) == ["free"]
        other.close()

    asyncio.run(main())


def test_a_failing_commit_is_not_tried_twice(pg_house: House) -> None:
    """Where the server refuses the COMMIT itself, all callers are told and nothing is stored."""

    async def test(store: Store) -> None:
        tries: list[str] = []
        with store._database.writer.begin() as connection:
            connection.exec_driver_sql(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$"
            )
            connection.exec_driver_sql(
                "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON term DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "EXECUTE FUNCTION refuse()"
            )
        await store.sync_integrations([("main", "canvas", {})])

        def broken(tx: Transaction) -> None:
            tx.connection.exec_driver_sql(
                "INSERT INTO term (integration, id, position, name) VALUES ('main', '1', 0, 'T')"
            )
            change(tx)

        def change(tx: Transaction) -> None:
            tries.append("x")
            note(tx, "x")

        outcomes = await asyncio.gather(*map(store._writer.run, [change, broken, change]), return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {StoreError}
        assert len(tries) == 3
        assert await noted(store) == []

    pg_house.run(test)


def test_a_refused_change_is_no_trouble_of_the_server(pg_house: House) -> None:
    """A refusal by a rule leaves no trace, events included, and its neighbours are stored."""

    async def test(store: Store) -> None:
        def refused(tx: Transaction) -> None:
            note(tx, "half")
            raise Conflict("no")

        outcomes = await asyncio.gather(
            store._writer.run(lambda tx: note(tx, "a")), store._writer.run(refused), return_exceptions=True
        )
        assert [type(each) for each in outcomes] == [type(None), Conflict]
        assert await noted(store) == ["a"]

    pg_house.run(test)


def test_a_failure_that_nobody_minded_is_no_success(pg_house: House) -> None:
    """A COMMIT after a statement that failed, which the server answers without an error, is not taken for one."""

    async def test(store: Store) -> None:
        def careless(tx: Transaction, words: Sequence[str]) -> list[None]:
            for word in words:
                note(tx, word)
            with suppress(DBAPIError):
                tx.connection.exec_driver_sql("SELECT 1/0")
            return [None for _ in words]

        with pytest.raises(StoreError, match="nothing of it was stored"):
            await store._writer.submit(careless, "a")
        await store.audit("x", "b", "", "")
        assert await noted(store) == ["b"]

    pg_house.run(test)
