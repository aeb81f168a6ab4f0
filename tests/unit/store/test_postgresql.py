"""What only a database server can do to a store: go away, lose an answer, let others in, be set up strangely."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest
from fakes.postgres_proxy import LossyProxy
from fakes.postgres_server import Databases, PostgresServer
from fakes.store_house import START, House, completed, new_run, plans
from psycopg import sql
from sqlalchemy import event, insert, select

from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import (
    Conflict,
    ItemPlan,
    OutcomeUnknown,
    Store,
    StoreError,
    StoreLocked,
    StoreUnavailable,
    postgresql,
)
from coursekeep_daemon.store.models import METADATA, audit_event, item
from coursekeep_daemon.store.opening import open_database
from coursekeep_daemon.store.transaction import Transaction


@pytest.fixture
def pg_house(databases: Databases) -> Iterator[House]:
    """A house on PostgreSQL."""
    url = databases.migrated()
    yield House(url)
    databases.drop(url)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop and kill."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def own_databases(own_server: PostgresServer) -> Databases:
    """Databases on that server."""
    return Databases(own_server.url("postgres"))


@pytest.fixture
def own_house(own_databases: Databases) -> House:
    """A house on a server that a test may stop and kill."""
    return House(own_databases.migrated())


async def noted(store: Store) -> list[str]:
    return [each.action for each in reversed((await store.audit_events(limit=1000)).items)]


def database_of(house: House) -> str:
    return house.url.partition("?")[0].rpartition("/")[2]


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


def note(tx: Transaction, word: str) -> None:
    row = {"at": tx.now, "who": "x", "action": word, "target": "", "result": "", "detail": {}}
    tx.execute(insert(audit_event), row)


def test_one_daemon_writes_to_a_database(pg_house: House) -> None:
    """A second daemon is refused until the first has ended; commands write beside it."""

    async def main() -> None:
        async with pg_house.open(exclusive=True) as daemon:
            with pytest.raises(StoreLocked, match="Another daemon works"):
                async with pg_house.open(exclusive=True, lock_timeout=0.1):
                    pass
            async with pg_house.open() as command:
                await command.audit("x", "command", "", "")
            await daemon.audit("x", "daemon", "", "")
        async with pg_house.open(exclusive=True) as daemon:
            assert await noted(daemon) == ["command", "daemon"]

    asyncio.run(main())


def test_a_daemon_that_was_replaced_cannot_write(own_server: PostgresServer, own_house: House) -> None:
    """Who lost its connection, and finds another daemon at work, writes nothing more; it can read."""

    async def main() -> None:
        async with own_house.open(exclusive=True, lock_timeout=0.5) as first:
            await first.audit("x", "first", "", "")
            with own_server.connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                )
            async with own_house.open(exclusive=True) as second:
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


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("40001", StoreLocked, "try again later"),
        ("40P01", StoreLocked, "try again later"),
        ("53100", StoreError, "make space on its disk"),
        ("53200", StoreUnavailable, "at its limits"),
        ("57P03", StoreUnavailable, "went away"),
        ("25006", StoreUnavailable, "went away"),
        ("42501", StoreError, "give the user of `url` that right"),
        ("XX001", StoreError, "restore it from a backup"),
        ("54000", ValueError, "too long"),
        ("23514", StoreError, "refused"),
    ],
)
def test_errors_are_told_apart(pg_house: House, code: str, kind: type[Exception], said: str) -> None:
    """What the server reports says what to do; the change is not stored, and the next one is."""

    async def test(store: Store) -> None:
        def broken(tx: Transaction) -> None:
            note(tx, "half")
            tx.connection.exec_driver_sql(f"DO $$ BEGIN RAISE 'oh' USING ERRCODE = '{code}'; END $$")

        with pytest.raises(kind, match=said) as caught:
            await store._writer.run(broken)
        await store.audit("x", "next", "", "")

        assert isinstance(caught.value, kind)
        assert await noted(store) == ["next"]

    pg_house.run(test)


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


def test_what_a_session_is_set_to(pg_house: House) -> None:
    """Sessions take neither time zone nor durability nor isolation from a server that is set up otherwise."""
    database = open_database(pg_house.url)
    names = ("timezone", "synchronous_commit", "transaction_isolation", "transaction_read_only", "lock_timeout")
    found = {}
    for which in ("writer", "reader"):
        with getattr(database, which).begin() as connection:
            found[which] = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]
    database.create()  # works outside of transactions, and must leave the connection as it was
    with database.writer.begin() as connection:
        found["again"] = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]
    database.close()

    assert found["writer"] == found["again"] == ["UTC", "on", "read committed", "off", "5s"]
    assert found["reader"] == ["UTC", "on", "repeatable read", "on", "5s"]


def test_text_is_ordered_as_in_sqlite(pg_house: House) -> None:
    """Every column of text is ordered by code point, whatever the language of the database."""
    database = open_database(pg_house.url)
    query = (
        "SELECT table_name || '.' || column_name, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type IN ('character varying', 'text')"
    )
    with database.reader.connect() as connection:
        found = {row[0]: row[1] for row in connection.exec_driver_sql(query)}
    database.close()
    ours = {name: collation for name, collation in found.items() if name.partition(".")[0] in METADATA.tables}

    assert len(ours) > 60
    assert set(ours.values()) == {"C"}


def test_many_rows_are_copied_in_their_order(pg_house: House) -> None:
    """A large plan goes in by COPY: in its order, without what is there already, and text of every kind as it was."""
    words = ["tab\there", "line\nbreak", "back\\slash", "\\N", "", "Grüße 学 \U0001f600", "nul\0", "half \ud800"]
    many = [
        ItemPlan(ref=f"{number} {words[number % len(words)]}", course_name=words[number % 7]) for number in range(400)
    ]

    async def test(store: Store) -> None:
        statements: list[str] = []
        event.listen(store._database.writer, "before_cursor_execute", lambda *given: statements.append(given[2]))
        run = await new_run(store)
        await store.add_items(run.id, many[100:110])
        assert await store.add_items(run.id, [*many, *many[:50]]) == 390
        assert await store.add_items(run.id, many) == 0
        found = (await store.items(run.id, limit=1000)).items
        expected = [*many[100:110], *many[:100], *many[110:]]

        clean = [each.ref.replace("\0", "\ufffd").replace("\ud800", "\ufffd") for each in expected]
        assert [each.ref for each in found] == clean
        assert [each.course_name for each in found][10:17] == [
            words[number].replace("\0", "\ufffd") for number in range(7)
        ]
        assert any("staged_item" in statement for statement in statements)
        assert await store.check_counters(run.id) == {}

    pg_house.run(test)


def test_lists_are_read_along_an_index(pg_house: House) -> None:
    """Pages of items are read along an index, without sorting or stepping over what is before."""
    database = open_database(pg_house.url)
    with database.writer.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        by_status = select(item.c.id).where(item.c.run_id == 1, item.c.status == ItemStatus.QUEUED, item.c.id > 5)
        for query in (by_status, select(item.c.id).where(item.c.run_id == 1, item.c.id > 5)):
            text = query.order_by(item.c.id).limit(3).compile(connection, compile_kwargs={"literal_binds": True})
            plan = " | ".join(connection.exec_driver_sql(f"EXPLAIN {text}").scalars())
            assert "ix_item_run_id_" in plan
            assert "Sort" not in plan
    database.close()


def test_a_server_that_is_too_old_is_refused(pg_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older server than the oldest that was tested is named, with what is needed."""
    monkeypatch.setattr(postgresql, "OLDEST", 99)
    with pytest.raises(StoreError, match=r"is PostgreSQL \d+; Coursekeep needs 99 or newer"):
        pg_house.run(noted)


def test_a_database_that_cannot_hold_every_text_is_refused(databases: Databases, pg_house: House) -> None:
    """A database of another encoding than UTF-8 is refused, with the command that makes a good one."""
    name = f"{database_of(pg_house)}_ascii"
    databases._run(
        sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'").format(sql.Identifier(name))
    )
    url = pg_house.url.replace(database_of(pg_house), name)
    with pytest.raises(StoreError, match="--encoding=UTF8"):
        Store.upgrade(url)
    databases.drop(url)


def test_what_cannot_be_reached_is_named(own_server: PostgresServer, own_house: House) -> None:
    """A database, a role or a server that is not there, and a server that is full, each say what to do."""
    for url, said in (
        (own_server.url("nowhere"), "createdb"),
        (own_server.url("postgres", user="nobody"), "createuser"),
        (f"postgresql://ann@/db?host={own_server.folder}/none", "Start it"),
    ):
        with pytest.raises(StoreUnavailable, match=said):
            Store.upgrade(url)
    with own_server.connect() as connection:
        connection.execute("CREATE ROLE few LOGIN SUPERUSER CONNECTION LIMIT 0")
        connection.execute("ALTER ROLE few NOSUPERUSER")
    with pytest.raises(StoreUnavailable, match="max_connections"):
        Store.make(own_server.url(database_of(own_house), user="few"))


def test_passwords_come_from_outside_of_the_address(
    own_server: PostgresServer, own_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password is handed in, or found in the environment; a wrong one is refused, and none is in a message."""
    with own_server.connect() as connection:
        connection.execute("CREATE ROLE locked LOGIN SUPERUSER PASSWORD 'right'")
    rules = own_server.folder / "data" / "pg_hba.conf"
    rules.write_text(f"local all locked scram-sha-256\n{rules.read_text()}")
    with own_server.connect() as connection:
        connection.execute("SELECT pg_reload_conf()")
    url = own_server.url(database_of(own_house), user="locked")

    assert Store.upgrade(url, password="right") is None
    for password in ("wrong", None):
        with pytest.raises(StoreUnavailable, match="Set `password`") as caught:
            Store.upgrade(url, password=password)
        assert "wrong" not in str(caught.value)
    monkeypatch.setenv("PGPASSWORD", "right")
    assert Store.upgrade(url) is None


def test_a_role_without_rights_is_enough(own_server: PostgresServer) -> None:
    """Who owns the database, and nothing else on the server, can make the tables, work, and move a store there."""
    with own_server.connect() as connection:
        connection.execute("CREATE ROLE plain LOGIN")
        connection.execute("CREATE DATABASE plain OWNER plain")
    house = House(own_server.url("plain", user="plain"))

    async def test(store: Store) -> None:
        run = await new_run(store)
        assert await store.add_items(run.id, plans(200)) == 200
        assert await store.size()
        assert (await store.version())[0] == "postgresql"
        with store._database.writer.begin() as connection:
            connection.exec_driver_sql("ANALYZE")

    assert Store.make(house.url)
    house.run(test, exclusive=True)


def test_other_tables_are_left_alone(databases: Databases) -> None:
    """A database with tables of something else is not taken for a new one."""
    url = databases.empty()
    database = open_database(url)
    database.create()
    with database.writer.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE other (x INTEGER)")
    database.close()

    assert not Store.make(url)
    with pytest.raises(StoreError, match=r"revision empty.*coursekeep db upgrade"):
        House(url).run(noted)
    databases.drop(url)


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
