"""The store on a database server: how it is reached and set up, what it says, how it orders and copies."""

from __future__ import annotations

import sys

import pytest
from fakes.postgres_server import Databases, PostgresServer
from fakes.store_house import House, new_run, note, noted, plans
from psycopg import sql
from sqlalchemy import event, select

from coursekeep import SettingsError
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import (
    ItemPlan,
    Sharing,
    Store,
    StoreError,
    StoreLocked,
    StoreUnavailable,
    postgresql,
)
from coursekeep_daemon.store.models import METADATA, item
from coursekeep_daemon.store.opening import open_database
from coursekeep_daemon.store.transaction import Transaction


def database_of(house: House) -> str:
    return house.url.partition("?")[0].rpartition("/")[2]


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
    house.run(test, sharing=Sharing.ALONE)


def test_a_driver_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, an address of PostgreSQL is refused with the command that installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SettingsError, match=r"pip install 'coursekeep\[postgresql\]'"):
        Store("postgresql://ann@db/coursekeep")


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
