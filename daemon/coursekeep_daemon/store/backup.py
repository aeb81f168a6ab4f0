"""A copy of a store in SQLite, taken while the daemon works: all that was committed when it began, or nothing."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
    try:
        if target.exists():
            raise FileExistsError
        with _part_of(target) as part:
            _copy(database.path, part)
            _give_name(part, target)
        _sync(target.parent)
        return target.stat().st_size
    except sqlite3.Error as error:
        raise meaning(error) from error
    except FileExistsError as error:
        raise Conflict(f"{target} is there already. Nothing was written; name a file that is not there.") from error
    except OSError as error:
        raise StoreError(f"The backup {target} cannot be written: {error.strerror}. Name another place.") from error


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """Give an empty file beside the target that nobody else writes; it is gone afterwards."""
    handle, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _give_name(part: Path, target: Path) -> None:
    """Have the target be the finished file. Raises `FileExistsError` where it came up meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError from None
        part.rename(target)


def _copy(source: Path, part: Path) -> None:
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
