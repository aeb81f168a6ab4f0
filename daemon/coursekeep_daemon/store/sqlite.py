"""SQLite: a file, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from coursekeep import SettingsError
from coursekeep_daemon.store.database import READERS, Database
from coursekeep_daemon.store.errors import StoreError, StoreLocked

__all__ = ["SqliteDatabase", "meaning"]


class SqliteDatabase(Database):
    """A database in a file. Raises `SettingsError` for an address that names none."""

    def __init__(self, url: URL, *, lock_timeout: float) -> None:
        super().__init__()
        self.path = _path(url)
        self.name = str(self.path)
        self._lock_timeout = lock_timeout
        # IMMEDIATE takes the write lock at once: a transaction that reads, judges and writes never finds that another
        # process has written in between, and waits for the lock only where nothing has been done yet
        self.writer = self._engine("BEGIN IMMEDIATE", ["journal_mode = WAL", "foreign_keys = ON"], connections=1)
        self.reader = self._engine("BEGIN", ["query_only = ON"], connections=READERS)

    def insert(self, table: Table) -> sqlite.Insert:
        """Begin an INSERT that may say what to do on conflict."""
        return sqlite.insert(table)

    def exists(self) -> bool:
        """Tell whether there is a database in the file."""
        return self.path.is_file() and self.path.stat().st_size > 0

    def is_absent(self) -> bool:
        """Tell whether there is no file. An empty one may be what is left of a database."""
        return not self.path.exists()

    def create(self, *, folder: bool = False) -> None:
        """Create an empty database, readable by its owner only, unless there is one.

        Raises `StoreError` where the directory is missing or not writable.
        """
        try:
            if folder:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(
                f"The database {self.path} cannot be opened for writing: {error.strerror}. Create the directory, or "
                "change its permissions or `url` in [store] of the settings."
            ) from error

    def size(self) -> int | None:
        """Return the bytes of the file and of its write-ahead log, which is not always there."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return None
        try:
            return size + self.path.with_name(f"{self.path.name}-wal").stat().st_size
        except OSError:
            return size

    def version(self) -> tuple[str, str]:
        """Return the version of the library."""
        return "sqlite", sqlite3.sqlite_version

    # `close` has the last connection fold the write-ahead log back into the file

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


def _path(url: URL) -> Path:
    if url.database in (None, "", ":memory:") or url.query or url.host:
        raise SettingsError("`url` in [store] must name a file, and nothing else: sqlite:///coursekeep.db.")
    return Path(str(url.database))


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


def meaning(error: sqlite3.Error) -> StoreError:
    """Give the `StoreError` that says what to do about an error of SQLite."""
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
