"""Moving a store from SQLite to PostgreSQL: all of it, compared, and the old one as it was."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fakes.fixity_checks import wrong
from fakes.postgres_server import Databases
from fakes.store_contract_leases import offer, some_worker
from fakes.store_house import START, House, claimed_item, completed, failed, new_run, plans, schedule, sqlite_house
from sqlalchemy import insert, select

from coursekeep import CheckStep, Course, SettingsError
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import (
    AttemptLimit,
    Conflict,
    PauseLevel,
    ReplicaState,
    Role,
    Sharing,
    Store,
    StoredTerm,
    StoreError,
    StoreLocked,
    Trouble,
    TroubleKind,
    move_store,
    moving,
)
from coursekeep_daemon.store.models import METADATA
from coursekeep_daemon.store.models_budgets import budget, budget_member
from coursekeep_daemon.store.models_daemons import daemon
from coursekeep_daemon.store.opening import open_database
from coursekeep_daemon.store.transaction import Transaction


@pytest.fixture
def empty(databases: Databases) -> Iterator[str]:
    """The address of an empty database."""
    url = databases.empty()
    yield url
    databases.drop(url)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A store in a file with something in every table."""
    house = sqlite_house(tmp_path_factory.mktemp("full"))
    house.run(fill)
    return house


async def fill(store: Store) -> None:
    run = await new_run(
        store, note="Grüße\n\\N\t学 \U0001f600", params={"ids": ["1", "\0", "\ud800"], "deep": [None, 1.5, True]}
    )
    await store.replace_terms("main", [StoredTerm(integration="main", id="t", name="T", start_at=START)])
    await store.save_check("main", [CheckStep(name="address", ok=False, detail="no", remedy="yes")])
    await store.see_courses("main", [Course(id="9", name="Ä course", ended_at=START)])
    item = await claimed_item(store, run)
    await store.finish_item(completed(item, gaps=2))
    await store.record_check(wrong(f"urn:uuid:{item.course_id}"), by="fixity")
    await store.add_items(run.id, plans(300, 2))
    for each in await store.claim_items(run.id, limit=2, now=START):
        await store.finish_item(failed(each))
    await store.change_run(run.id, RunStatus.FAILED, "enough")
    await store.reimport(run.id, created_by="ann")
    await store.put_schedule(schedule())
    await store.pause(PauseLevel.ALL, "", "ann")
    await store.create_token("ops", "admin")
    ann = await store.create_user("Ann", Role.OPERATOR, password_hash="$argon2id$x")
    await store.create_session(ann.id, agent="browser", lifetime=timedelta(hours=1))
    wait = timedelta(seconds=1)
    await store.begin_attempt([AttemptLimit(key="ann", free=1, first_wait=wait, longest_wait=wait)])
    await store.enlist_worker(some_worker())
    other = await new_run(store)
    await store.resume(PauseLevel.ALL, "")
    await store.add_items(other.id, plans(1))
    await offer(store, other)
    await store.pause(PauseLevel.ALL, "", "ann")
    await store.audit("ann", "run.start", "run 1", "ok", {"n": 10**20, "nested": {"b": 1, "a": [1]}})
    (message,) = await store.unaddressed()
    await store.address(message.id, ["mail"])
    lms = Trouble(kind=TroubleKind.LMS, target="main", reason="503", since=START, reporter="one.example 17")
    await store.note_trouble(lms)
    copy = ReplicaState(address="/mnt/copy", reason="gone", away_since=START, behind=1, behind_why={"urn:uuid:1": "x"})
    await store.tell_replica_away(copy)
    row = {"id": "a", "host": "h", "pid": 1, "version": "1", "started_at": START, "seen_at": START}
    await store._writer.run(lambda tx: tx.execute_many(insert(daemon), [row]))
    await store._writer.run(share_budgets)  # on PostgreSQL only, but no table is left behind


def share_budgets(tx: Transaction) -> None:
    tx.connection.execute(
        insert(budget), {"name": "main", "allowed": 2.5, "share": 1.0, "round": 1, "not_before": START}
    )
    member = {"budget": "main", "member": "a/main", "places": 2, "wants": 3, "most": 4, "expires_at": START}
    tx.connection.execute(insert(budget_member), member)


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    database = open_database(url)
    with database.reader.connect() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in METADATA.sorted_tables
        }
    database.close()
    return found


def digest(house: House) -> str:
    return hashlib.sha256(Path(house.url.removeprefix("sqlite:///")).read_bytes()).hexdigest()


def test_everything_is_moved(full: House, empty: str) -> None:
    """Every row of every table reads the same from the new database, and the file has not changed by a byte."""
    before = digest(full)
    moved = move_store(full.url, empty)
    there = contents(empty)

    assert there == contents(full.url)
    assert {one.name: one.rows for one in moved} == {name: len(rows) for name, rows in there.items()}
    assert min(one.rows for one in moved) > 0, "a table of which nothing is tested"
    assert digest(full) == before


def test_a_moved_store_goes_on(full: House, empty: str) -> None:
    """New rows get new ids, events go on behind the last, and the counters are right."""
    move_store(full.url, empty)

    async def test(store: Store) -> None:
        last = await store.last_event_id()
        run = await new_run(store)
        await store.add_items(run.id, plans(3))
        await store.audit("x", "y", "", "")

        assert run.id == 4
        assert (await store.events_after(last, limit=1))[0].id == last + 1
        assert (await store.items(run.id)).items[0].id == 305
        for number in (1, 2, 3, 4):
            assert await store.check_counters(number) == {}
        assert await store.check_day_counts() == {}

    House(empty).run(test)


def test_what_is_not_empty_is_refused(full: House, empty: str) -> None:
    """A database with rows is left as it is; one with the schema only is taken."""
    Store.upgrade(empty)
    move_store(full.url, empty)
    before = contents(empty)

    with pytest.raises(Conflict, match="is not empty: its table"):
        move_store(full.url, empty)
    assert contents(empty) == before


def test_what_does_not_read_the_same_is_not_kept(full: House, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were changed on their way are found out: nothing is stored, and the next attempt does it."""
    copy = moving.copy_rows

    def forgetful(connection, table, rows, **more):  # type: ignore[no-untyped-def]  # as `copy_rows`
        kept = [row for row in rows if row.get("status") is not ItemStatus.COMPLETED]
        return copy(connection, table, kept, **more)

    with monkeypatch.context() as patch:
        patch.setattr(moving, "copy_rows", forgetful)
        with pytest.raises(StoreError, match=r"table \w+ does not read the same"):
            move_store(full.url, empty)
    assert not any(contents(empty).values())
    move_store(full.url, empty)


def test_a_store_at_work_is_not_moved(full: House, empty: str) -> None:
    """While another process writes to the file, or a daemon has the database, nothing is moved."""
    other = sqlite3.connect(full.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreLocked, match="locked by another process"):
        move_store(full.url, empty, lock_timeout=0.1)
    other.execute("ROLLBACK")
    other.close()

    async def beside() -> None:
        async with Store(empty, sharing=Sharing.ALONE):
            with pytest.raises(StoreLocked, match="Another daemon"):
                await asyncio.to_thread(move_store, full.url, empty, lock_timeout=0.1)

    asyncio.run(beside())
    assert not any(contents(empty).values())


def test_the_way_back_is_refused(full: House, empty: str) -> None:
    """Only SQLite is moved, and only to PostgreSQL."""
    for source, target in ((empty, full.url), (full.url, full.url), (empty, empty)):
        with pytest.raises(SettingsError, match="to postgresql://"):
            move_store(source, target)
