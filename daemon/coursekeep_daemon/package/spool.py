"""A sorted heap on disk: takes lines in any order and gives them back per file, in order, with flat memory.

One SQLite file per package in the staging area. It is disposable, so it is neither journalled nor synced: after a
crash the capture starts again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coursekeep_daemon.package.errors import PackageError, StorageFull, StorageUnavailable

__all__ = ["Line", "Spool", "id_key", "line_key"]

_BATCH = 500
_BATCH_BYTES = 4 << 20

#: the table grows at its end; only the small index is kept in order
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -16384;
CREATE TABLE line (number INTEGER PRIMARY KEY, file TEXT, key BLOB, text BLOB, removed TEXT);
CREATE INDEX line_in_order ON line (file, key);
"""


def id_key(source_id: str) -> bytes:
    """Return a sort key: ids of digits by their number, then all others by their text. Equal only for equal ids."""
    text = source_id.encode("utf-8", "surrogatepass")
    if source_id.isascii() and source_id.isdigit():
        digits = source_id.lstrip("0").encode()
        return b"0" + len(digits).to_bytes(4, "big") + digits + b"\0" + text
    return b"1" + text


def line_key(line: bytes) -> bytes:
    """Return a sort key for a line without an id: by its beginning, then by its digest."""
    return b"2" + line[:64] + hashlib.blake2b(line, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its key and with what redaction took out of it, as JSON text."""

    key: bytes
    text: bytes
    removed: str | None


class Spool:
    """Lines on their way into the files of a package."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            # calls come from several threads, one at a time: the writer holds a lock around them
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.executescript(_SCHEMA)
            self._connection.execute("BEGIN")
        self._waiting: list[tuple[str, bytes, bytes, str | None]] = []
        self._waiting_bytes = 0

    def add(self, file: str, key: bytes, text: bytes, removed: str | None = None) -> None:
        """Take a line for a file. Raises `StorageFull` and `StorageUnavailable`."""
        self._waiting.append((file, key, text, removed))
        self._waiting_bytes += len(text)
        if len(self._waiting) >= _BATCH or self._waiting_bytes >= _BATCH_BYTES:
            self._flush()

    def files(self) -> list[str]:
        """Return the names of all files that have lines."""
        self._flush()
        with self._errors():
            return [name for (name,) in self._connection.execute("SELECT DISTINCT file FROM line ORDER BY file")]

    def lines(self, file: str) -> Iterator[Line]:
        """Yield the lines of a file in the order of their keys; equal keys in the order of arrival."""
        self._flush()
        with self._errors():
            yield from (
                Line(*row)
                for row in self._connection.execute(
                    "SELECT key, text, removed FROM line WHERE file = ? ORDER BY key, number", (file,)
                )
            )

    def count(self, file: str) -> int:
        """Count the different keys of a file."""
        self._flush()
        with self._errors():
            (number,) = self._connection.execute(
                "SELECT COUNT(DISTINCT key) FROM line WHERE file = ?", (file,)
            ).fetchone()
        return int(number)

    def close(self) -> None:
        """Close the file; its lines are lost."""
        self._connection.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        with self._errors():
            self._connection.executemany(
                "INSERT INTO line (file, key, text, removed) VALUES (?, ?, ?, ?)", self._waiting
            )
        self._waiting.clear()
        self._waiting_bytes = 0

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_FULL:
                raise StorageFull(
                    f"The storage is full at {self._path}. Make room, or give the archive more."
                ) from error
            if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise StorageUnavailable(f"The storage cannot be used ({error}) at {self._path}.") from error
            raise PackageError(f"The spool of records failed ({error}) at {self._path}.") from error
