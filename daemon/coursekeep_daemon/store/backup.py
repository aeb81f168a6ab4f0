"""A copy of a store in SQLite, taken while the daemon works: all that was committed when it began, or nothing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from coursekeep import SettingsError
from coursekeep_daemon.store.errors import Conflict, StoreError
from coursekeep_daemon.store.opening import open_database
from coursekeep_daemon.store.sqlite import SqliteDatabase, meaning

__all__ = ["backup_store"]


def backup_store(url: str, target: Path) -> int:
    """Copy the store at an address into a new file, check the copy, and return its bytes.

    The copy is one file, readable by its owner only, and has its name only once it is whole and on disk. Whatever
    revision the store has, so has the copy: it is made before an upgrade too. Raises `Conflict` where there is a file
    of that name, `SettingsError` for a store that is no file, `StoreError` where it cannot be read or written.
    """
    database = open_database(url)
    database.close()
    if not isinstance(database, SqliteDatabase):
        raise SettingsError(
            "`url` in [store] is a PostgreSQL database: take its backup with `pg_dump --format=custom`."
        )
    if not database.exists():
        raise StoreError(f"There is no database at {database.name}. Nothing was written.")
    if target.exists():
        raise Conflict(f"{target} is there already. Nothing was written; name a file that is not there.")
    part = target.with_name(f"{target.name}.part")
    try:
        _copy(database.path, part)
        part.rename(target)
        _sync(target.parent)
        return target.stat().st_size
    except sqlite3.Error as error:
        raise meaning(error) from error
    except OSError as error:
        raise StoreError(f"The backup {target} cannot be written: {error.strerror}. Name another place.") from error
    finally:
        part.unlink(missing_ok=True)


def _copy(source: Path, part: Path) -> None:
    part.unlink(missing_ok=True)  # what a backup that died has left
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(part)) as copy:
        reading.execute("PRAGMA query_only = ON")
        reading.backup(copy)  # all pages in one go: one state, and the daemon writes on meanwhile
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        found = copy.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        raise StoreError(f"The copy of {source} is damaged, and so may be the database itself: {found}")
    _sync(part)


def _sync(path: Path) -> None:
    """Have a file or a folder on disk before anybody relies on it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
