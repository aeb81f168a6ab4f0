"""Everything that depends on which database it is: addresses, connections, pragmas, upserts, and what errors mean.

SQLite in this release. For PostgreSQL, `Database` gets a second way to open engines and to `insert`; the statements of
the other modules are portable, and lock what they judge with FOR UPDATE, which SQLite leaves out.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.pool import QueuePool

from coursekeep import SettingsError
from coursekeep_daemon.store.errors import StoreError, StoreLocked

__all__ = ["READERS", "Database", "translate"]

#: reads at once; each has a connection and a thread
READERS = 4


class Database:
    """One database: an engine for the writer's connection and one for readers. Opens nothing until it is used.

    Raises `SettingsError` for an address that this release cannot use.
    """

    def __init__(self, url: str, *, lock_timeout: float = 5.0) -> None:
        self.path = _sqlite_path(url)
        self._lock_timeout = lock_timeout
        # IMMEDIATE takes the write lock at once: a transaction that reads, judges and writes never finds that another
        # process has written in between, and waits for the lock only where nothing has been done yet
        self.writer = self._engine("BEGIN IMMEDIATE", ["journal_mode = WAL", "foreign_keys = ON"], connections=1)
        self.reader = self._engine("BEGIN", ["query_only = ON"], connections=READERS)

    def insert(self, table: Table) -> sqlite.Insert:
        """Begin an INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        return sqlite.insert(table)

    def exists(self) -> bool:
        """Tell whether there is a database at the address."""
        return self.path.is_file() and self.path.stat().st_size > 0

    def create(self) -> None:
        """Create an empty database, readable by its owner only, unless there is one.

        Raises `StoreError` where the directory is missing or not writable.
        """
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"The database {self.path} cannot be opened for writing: {error.strerror}. Create the directory, or "
                "change its permissions or `url` in [store] of the settings."
            ) from error

    def close(self) -> None:
        """Close every connection. The last one folds SQLite's write-ahead log back into the file."""
        self.reader.dispose()
        self.writer.dispose()

    def _engine(self, begin: str, pragmas: list[str], *, connections: int) -> Engine:
        engine = create_engine(
            URL.create("sqlite", database=str(self.path)),
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            connect_args={"timeout": self._lock_timeout, "check_same_thread": False},
        )
        # FULL: a commit that was acknowledged survives a power cut, not only a killed process. The writer shares one
        # fsync among all who wait, so that costs little.
        event.listen(engine, "connect", _prepare(["synchronous = FULL", *pragmas]))
        event.listen(engine, "begin", _begin(begin))
        return engine


def _sqlite_path(url: str) -> Path:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(f"`url` in [store] is not a database address: use sqlite:///path, not {url!r}.") from error
    backend = parsed.drivername.split("+")[0]
    if backend in ("postgresql", "postgres"):
        raise SettingsError("`url` in [store]: PostgreSQL comes with a later release; use sqlite:///path for now.")
    if parsed.drivername != "sqlite":
        raise SettingsError(f"`url` in [store]: {backend!r} is not supported; use sqlite:///path.")
    if parsed.database in (None, "", ":memory:") or parsed.query or parsed.host:
        raise SettingsError("`url` in [store] must name a file, and nothing else: sqlite:///coursekeep.db.")
    return Path(str(parsed.database))


def _prepare(pragmas: list[str]) -> Callable[[sqlite3.Connection, object], None]:
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself: `_begin` does
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    return prepare


def _begin(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


def translate(error: BaseException) -> BaseException:
    """Give the `StoreError` that tells a caller what happened; other errors stay as they are."""
    if isinstance(error, StatementError) and isinstance(error.orig, (StoreError, ValueError, TypeError)):
        return error.orig  # a value was refused before the database saw it
    if isinstance(error, DBAPIError):
        return _translate_driver(error.orig)
    if isinstance(error, SQLAlchemyError):
        return StoreError(f"The database could not do it: {error}")
    return error


def _translate_driver(error: Any) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code, without what it adds
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreLocked("The database is locked by another process: stop it, or try again later.")
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StoreError(f"The database could not write ({error}): make space on its disk. Nothing was changed.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(f"The database may not be written ({error}): check owner and permissions of its directory.")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreError(f"The database file is damaged or no database ({error}): restore it from a backup.")
    return StoreError(f"The database refused it: {error}")
