"""Moving a store from SQLite to PostgreSQL: everything or nothing, and compared before it counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from coursekeep import SettingsError
from coursekeep_daemon.store import schema
from coursekeep_daemon.store.copying import copy_rows
from coursekeep_daemon.store.database import Database, Sharing
from coursekeep_daemon.store.errors import Conflict, StoreError
from coursekeep_daemon.store.models import METADATA
from coursekeep_daemon.store.opening import open_database, translate
from coursekeep_daemon.store.postgresql import PostgresDatabase
from coursekeep_daemon.store.queue_schema import upgrade_queue
from coursekeep_daemon.store.sqlite import SqliteDatabase
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["MovedTable", "move_store"]

#: rows in memory at one time
_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class MovedTable:
    """One table, as it was read from the old database and found in the new one."""

    name: str
    rows: int
    #: SHA-256 of all rows in the order of their keys
    digest: str


class _Reading:
    """Rows of a table in the order of their keys, digested as they pass by."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table
        self._digest = hashlib.sha256()
        self.rows = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        query = select(*self._table.c).order_by(*self._table.primary_key).execution_options(yield_per=_AT_ONCE)
        names = self._table.c.keys()
        for row in self._connection.execute(query):
            self._digest.update(json.dumps(tuple(row), default=_plain).encode())
            self.rows += 1
            yield dict(zip(names, row, strict=True))

    def seen(self) -> MovedTable:
        """Return what has passed by."""
        return MovedTable(name=self._table.name, rows=self.rows, digest=self._digest.hexdigest())


def move_store(source: str, target: str, *, password: str | None = None, lock_timeout: float = 5.0) -> list[MovedTable]:
    """Copy a store from a SQLite file into an empty PostgreSQL database, and return what was copied.

    One transaction: until it is committed, the new database has no rows. The source is only read, and kept from being
    written meanwhile; see to it that no daemon runs. Raises `SettingsError` for addresses of other kinds, `Conflict`
    for a target with data, `StoreError` where something fails or what was written does not read the same.
    """
    old = open_database(source, lock_timeout=lock_timeout)
    new = open_database(target, password=password, lock_timeout=lock_timeout, sharing=Sharing.ALONE)
    try:
        if not isinstance(old, SqliteDatabase) or not isinstance(new, PostgresDatabase):
            raise SettingsError("A store is moved from sqlite:///path to postgresql://user@host/database only.")
        schema.check(old)
        _prepare(new)
        # taking SQLite's write lock changes nothing, and keeps commands from writing what would be left behind
        with old.writer.begin() as reading:
            return _move(reading, new)
    except SQLAlchemyError as error:
        raise translate(error) from error
    finally:
        old.close()
        new.close()


def _prepare(new: PostgresDatabase) -> None:
    """Give an empty database the schema, and the queue's beside it, as `coursekeep db upgrade` does."""
    if new.exists():
        schema.check(new)
    else:
        schema.upgrade(new)
    new.claim()
    upgrade_queue(new)
    with new.reader.connect() as connection:
        for table in METADATA.sorted_tables:
            if connection.execute(select(*table.primary_key).limit(1)).first() is not None:
                raise Conflict(
                    f"The database {new.name} is not empty: its table {table.name} has rows. Nothing was changed; "
                    "name an empty database."
                )


def _move(reading: Connection, new: Database) -> list[MovedTable]:
    moved = []
    with Transaction(new, clock=lambda: datetime.now(UTC), events_kept=0) as tx:
        for table in METADATA.sorted_tables:
            rows = _Reading(reading, table)
            copy_rows(tx.connection, table, rows)
            _go_on_counting(tx.connection, table)
            written = _Reading(tx.connection, table)
            for _ in written:
                pass
            if written.seen() != rows.seen():
                raise StoreError(
                    f"The table {table.name} does not read the same from the new database: {rows.rows} rows were "
                    f"copied, {written.rows} found, and their digests differ. Nothing was changed."
                )
            moved.append(rows.seen())
        tx.connection.exec_driver_sql("ANALYZE")
        tx.commit()
    return moved


def _go_on_counting(connection: Connection, table: Table) -> None:
    """Let the next id follow the highest that was copied."""
    if "id" not in table.c or not table.c.id.autoincrement or len(table.primary_key) > 1:
        return
    highest = connection.execute(select(func.max(table.c.id))).scalar_one()
    if isinstance(highest, int):
        query = text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :highest)")
        connection.execute(query, {"table": table.name, "highest": highest})


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, StrEnum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no form to compare")
