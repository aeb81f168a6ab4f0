"""The schema: made, upgraded and checked."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from datetime import date
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from fakes.postgres_server import Databases
from sqlalchemy import inspect, text

from coursekeep import SettingsError
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import SchemaMismatch, Store, StoreError, StoreLocked, schema
from coursekeep_daemon.store.models import METADATA
from coursekeep_daemon.store.opening import open_database

_MOMENT = "2026-05-20 12:00:00.000000"
_ENDED = "2026-05-20 23:59:59.999999"
_OLD_RUN = {
    "id": 1,
    "integration": "main",
    "source": "ids",
    "params": '{"ids": ["7"]}',
    "options": "{}",
    "on_existing": "skip",
    "status": "processing",
    "created_by": "tester",
    "request_digest": "0" * 64,
}
_OLD_ITEM = {"run_id": 1, "attempts": 1, "gaps": 0}
_OLD_COUNTS = {"failed": 1, "failed_reimported": 1, "queued": 1}

_OLD_SCHEDULE = {
    "name": "ended",
    "integration": "main",
    "cron": "0 3 15 * *",
    "time_zone": "UTC",
    "source": "end_date",
    "params": "{}",
    "ended_for": "6 months",
    "ended_by": "course",
    "include": "[]",
    "exclude": "[]",
    "on_existing": "skip",
    "enabled": True,
    "declared": False,
    "created_by": "tester",
}


def url_in(directory: Path) -> str:
    return f"sqlite:///{directory / 'coursekeep.db'}"


def start(url: str) -> None:
    async def main() -> None:
        async with Store(url):
            pass

    asyncio.run(main())


def test_runs_of_a_schedule_are_read_along_an_index(tmp_path: Path) -> None:
    """The list of a schedule's runs neither scans nor sorts all runs."""
    url = url_in(tmp_path)
    Store.upgrade(url)
    query = "EXPLAIN QUERY PLAN SELECT id FROM run WHERE schedule = 'a' ORDER BY id DESC LIMIT 5"
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        details = " | ".join(row[-1] for row in connection.execute(query))

    assert "ix_run_schedule_id (schedule=?)" in details
    assert "TEMP B-TREE" not in details


def test_upgrade_is_idempotent(new_url: str) -> None:
    """The first upgrade makes the database, a second finds nothing to do, and the store starts."""
    assert Store.upgrade(new_url) == "empty"
    assert Store.upgrade(new_url) is None
    start(new_url)


def test_an_upgrade_keeps_what_is_stored(new_url: str) -> None:
    """A database of the first release reads the same after the upgrade, and what had ended then has its day."""
    database = open_database(new_url)
    database.create()
    with database.writer.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table, values in (
            ("integration", {"name": "main", "connector": "canvas", "source": "{}", "check_steps": "[]"}),
            ("run", _OLD_RUN),
            ("schedule", _OLD_SCHEDULE),
            ("run_count", {"run_id": 1, "total": 3, "gaps": 0, **dict.fromkeys(ItemStatus, 0), **_OLD_COUNTS}),
            ("item", {**_OLD_ITEM, "ref": "7", "status": "failed", "reason": "no_access", "finished_at": _ENDED}),
            ("item", {**_OLD_ITEM, "ref": "8", "status": "failed_reimported", "finished_at": _ENDED}),
            ("item", {**_OLD_ITEM, "ref": "9", "status": "queued"}),
        ):
            columns = {column["name"] for column in inspect(connection).get_columns(table)}
            row = values | {name: _MOMENT for name in ("created_at", "seen_at") if name in columns}
            names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)
    database.close()

    assert Store.upgrade(new_url) == "0001"

    async def main() -> None:
        async with Store(new_url) as store:
            item, *others = (await store.items(1)).items
            (schedule,) = await store.schedules()
            assert (schedule.name, schedule.revision, schedule.last_error) == ("ended", 1, None)
            assert (item.ref, item.status, item.reason) == ("7", "failed", "no_access")
            assert item.reimported_in_run is None
            assert [each.status for each in others] == ["failed_reimported", "queued"]
            assert await store.check_counters(1) == {}
            (day,) = await store.archived_per_day(date(2026, 5, 20))
            assert (day.day, day.integration, day.status, day.count) == (date(2026, 5, 20), "main", "failed", 2)
            assert await store.check_day_counts() == {}

    asyncio.run(main())


def _of_ours(name: str | None, kind: str, parents: object) -> bool:
    """Leave out PostgreSQL's marks and the queue, which are no data."""
    others = name in ("store_writer", "queue_schema") or (name or "").startswith("procrastinate_")
    return kind != "table" or not others


def test_models_and_migrations_agree(new_url: str) -> None:
    """What the migrations make is what the models say, types included."""
    Store.upgrade(new_url)
    database = open_database(new_url)
    with database.writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _of_ours})
        differences = compare_metadata(context, METADATA)
    database.close()

    assert differences == []


def test_indices_agree(tmp_path: Path, databases: Databases) -> None:
    """Conditions of partial indices, which Alembic does not compare, agree as well."""
    for by_migrations, by_models in (
        (url_in(tmp_path), f"sqlite:///{tmp_path / 'models.db'}"),
        (databases.empty(), databases.empty()),
    ):
        Store.upgrade(by_migrations)
        made = open_database(by_models)
        made.create()
        with made.writer.begin() as connection:
            METADATA.create_all(connection)
        made.close()

        assert indices(by_migrations) == indices(by_models) != set()


def indices(url: str) -> set[str]:
    in_file = url.startswith("sqlite")
    query = (
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if in_file
        else "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' "
        "AND tablename NOT IN ('store_writer', 'alembic_version', 'queue_schema') "
        "AND tablename NOT LIKE 'procrastinate%%'"
    )
    database = open_database(url)
    with database.reader.connect() as connection:
        found = set(connection.exec_driver_sql(query).scalars())
    database.close()
    return found


def test_owner_only(tmp_path: Path) -> None:
    """A new database is readable by its owner only."""
    Store.upgrade(url_in(tmp_path))
    assert stat.S_IMODE((tmp_path / "coursekeep.db").stat().st_mode) == 0o600


def test_missing(tmp_path: Path) -> None:
    """Without a database the store names the command that makes one, and makes no file."""
    with pytest.raises(SchemaMismatch, match="coursekeep db upgrade"):
        start(url_in(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_older(tmp_path: Path) -> None:
    """An older database is refused, naming the command."""
    connection = sqlite3.connect(tmp_path / "coursekeep.db")
    connection.execute("CREATE TABLE other (x)")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaMismatch, match=r"revision empty.*coursekeep db upgrade"):
        start(url_in(tmp_path))


def test_newer(new_url: str) -> None:
    """A database of a newer release is refused by start and upgrade, and left as it is."""
    Store.upgrade(new_url)
    database = open_database(new_url)
    with database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()

    for attempt in (start, Store.upgrade):
        with pytest.raises(SchemaMismatch, match="newer Coursekeep"):
            attempt(new_url)


def test_interrupted_upgrade(new_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upgrade that ends early leaves the database as it was; the next one does it."""

    def interrupted(config: Config, revision: str) -> None:
        upgrade(config, revision)
        raise KeyboardInterrupt

    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Store.upgrade(new_url)

    assert indices(new_url) == set()
    assert Store.upgrade(new_url) == "empty"


def test_no_database(tmp_path: Path) -> None:
    """A file that is no database is named as such, and not touched."""
    path = tmp_path / "coursekeep.db"
    path.write_bytes(b"PK\x03\x04 something else" * 100)
    before = path.read_bytes()
    for attempt in (start, Store.upgrade):
        with pytest.raises(StoreError, match="no database"):
            attempt(url_in(tmp_path))
    assert path.read_bytes() == before


def test_no_directory(tmp_path: Path) -> None:
    """A directory that does not exist is named, with what to do."""
    with pytest.raises(StoreError, match="Create the directory"):
        Store.upgrade(f"sqlite:///{tmp_path}/none/coursekeep.db")


def test_locked_upgrade(tmp_path: Path) -> None:
    """An upgrade beside a writing process says that the database is locked."""
    Store.upgrade(url_in(tmp_path))
    other = sqlite3.connect(tmp_path / "coursekeep.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database = open_database(url_in(tmp_path), lock_timeout=0.05)
    with pytest.raises(StoreLocked):
        schema.upgrade(database)
    other.close()
    database.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/db", "'mysql' is not supported"),
        ("postgresql://host/", "must name a database"),
        ("postgresql://host:5432/db?password=s3cret", "holds a password"),
        ("postgresql://ann:s3cret@host/db", "holds a password"),
        ("postgresql+asyncpg://host/db", "not supported"),
        ("postgresql//ann:s3cret@host", "not a database address"),
        ("sqlite+aiosqlite:///x.db", "not supported"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///x.db?mode=ro", "must name a file"),
        ("coursekeep.db", "not a database address"),
        ("", "not a database address"),
    ],
)
def test_bad_address(url: str, message: str) -> None:
    """An address that cannot be used is a mistake in the settings, with what to write instead."""
    with pytest.raises(SettingsError, match=message) as caught:
        Store(url)
    assert "s3cret" not in str(caught.value)
    assert (
        "sqlite:///" in str(caught.value) or "postgresql://" in str(caught.value) or "password = {" in str(caught.value)
    )
