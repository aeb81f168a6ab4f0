"""The rows of all files in a private database on disk, so that a class is found without reading everything again.

SQLite keeps a database without a name in a temporary file that vanishes with the connection, and in memory as long
as it is small: nothing is left behind where the process dies.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coursekeep import MalformedAnswer, RetryLater
from coursekeep_connectors.oneroster.archive import Files, Stamp, open_files, stamp_of
from coursekeep_connectors.oneroster.layout import FILES, FileLayout, file_name
from coursekeep_connectors.oneroster.rows import read_rows
from coursekeep_connectors.oneroster.secrets import blanked
from coursekeep_connectors.oneroster.settings import CsvEncoding, OneRosterSettings

__all__ = ["Kept", "Snapshot"]

_TABLE = "CREATE TABLE kept (file TEXT, id TEXT, owner TEXT, owner2 TEXT, line INTEGER, cells TEXT)"
_INSERT = "INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?)"
_INDEXES = (
    "CREATE INDEX kept_id ON kept (file, id)",
    "CREATE INDEX kept_owner ON kept (file, owner)",
    "CREATE INDEX kept_owner2 ON kept (file, owner2)",
)
#: without these there are no courses at all, and nothing can be archived
_ESSENTIAL = frozenset({"academicSessions", "classes"})
_BATCH = 500
_MANIFEST = "manifest.csv"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A row of a file."""

    line: int
    cells: Mapping[str, str]


class Snapshot:
    """The files as they were at one moment. Blocking; safe from several threads."""

    def __init__(self, path: Path, settings: OneRosterSettings) -> None:
        """Read everything. Raises `MalformedAnswer`, and `RetryLater` where files are away or change meanwhile."""
        self.stamp: Stamp = stamp_of(path)
        self._lock = threading.Lock()
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._finalizer = weakref.finalize(self, self._database.close)
        try:
            with open_files(path, settings.max_unpacked) as files:
                self.manifest = _manifest(files, settings.encoding)
                #: the files that were found and read
                self.present = frozenset(name for name in FILES if file_name(name) in files.names)
                #: files that could not be read, with what is wrong with them
                self.broken: Mapping[str, MalformedAnswer] = self._load(files, settings.encoding)
                self.unread = sorted(set(files.names) - {file_name(name) for name in FILES} - {_MANIFEST})
        except sqlite3.Error as error:
            raise RetryLater(f"the rows cannot be kept in the temporary folder: {error}") from error
        if stamp_of(path) != self.stamp:
            raise RetryLater("the files changed while they were being read", where=path.name)

    def promised(self, name: str) -> bool:
        """Tell whether the manifest says that there is such a file."""
        return self.manifest.get(f"file.{name}".lower()) == "bulk"

    def count(self, name: str) -> int:
        """Count the rows of a file."""
        with self._lock:
            (found,) = self._database.execute("SELECT count(*) FROM kept WHERE file = ?", (name,)).fetchone()
        return int(found)

    def by_id(self, name: str, id_: str) -> list[Kept]:
        """Return the rows of one object: one, unless the file names it twice."""
        return self._select("file = ? AND id = ?", (name, id_))

    def owned(self, name: str, owner: str, *, second: bool = False) -> list[Kept]:
        """Return the rows that belong to something, in the order of the file."""
        return self._select(f"file = ? AND {'owner2' if second else 'owner'} = ?", (name, owner))

    def rows(self, name: str) -> Iterator[Kept]:
        """Yield all rows of a file, in its order."""
        last = 0
        while True:
            with self._lock:
                found = self._database.execute(
                    "SELECT rowid, line, cells FROM kept WHERE file = ? AND rowid > ? ORDER BY rowid LIMIT ?",
                    (name, last, _BATCH),
                ).fetchall()
            if not found:
                return
            for rowid, line, cells in found:
                last = rowid
                yield Kept(line=line, cells=json.loads(cells))

    def _select(self, condition: str, values: Sequence[str]) -> list[Kept]:
        with self._lock:
            found = self._database.execute(
                f"SELECT line, cells FROM kept WHERE {condition} ORDER BY rowid",  # noqa: S608  # no outside text in it
                values,
            ).fetchall()
        return [Kept(line=line, cells=json.loads(cells)) for line, cells in found]

    def _load(self, files: Files, encoding: CsvEncoding) -> Mapping[str, MalformedAnswer]:
        broken: dict[str, MalformedAnswer] = {}
        self._database.execute(_TABLE)
        self._database.execute("BEGIN")
        for name, layout in FILES.items():
            try:
                if name in self.present:
                    self._database.executemany(_INSERT, _kept(files, name, layout, encoding))
                elif self.promised(name):
                    message = "the file is missing, though manifest.csv says that it is there (bulk)"
                    raise MalformedAnswer(message, where=f"{name}.csv")
            except MalformedAnswer as error:
                if name in _ESSENTIAL:
                    raise
                self._database.execute("DELETE FROM kept WHERE file = ?", (name,))
                broken[name] = error
        self._database.execute("COMMIT")
        for index in _INDEXES:
            self._database.execute(index)
        return broken


def _kept(
    files: Files, name: str, layout: FileLayout, encoding: CsvEncoding
) -> Iterator[tuple[str, str | None, str | None, str | None, int, str]]:
    with files.open(file_name(name)) as source:
        for row in read_rows(source, f"{name}.csv", layout.required, encoding):
            cells = row.cells
            owner = cells.get(layout.owner, "").strip() if layout.owner else None
            owner2 = cells.get(layout.owner2, "").strip() if layout.owner2 else None
            id_ = cells.get(layout.id, "").strip() or None
            yield name, id_, owner or None, owner2 or None, row.line, json.dumps(blanked(cells), ensure_ascii=False)


def _manifest(files: Files, encoding: CsvEncoding) -> Mapping[str, str]:
    """Read the manifest. Raises `MalformedAnswer` for a delta, an unknown version, and what makes no sense."""
    said: dict[str, str] = {}
    with files.open(_MANIFEST) as source:
        for row in read_rows(source, _MANIFEST, ("propertyName", "value"), encoding):
            key, value = (row.cells.get(column, "").strip() for column in ("propertyName", "value"))
            where = f"{_MANIFEST}, line {row.line}"
            if key.lower().startswith("file.") and value.lower() not in ("bulk", "absent", ""):
                raise MalformedAnswer(_refusal(key, value), where=where)
            if key.lower() == "oneroster.version" and value not in ("1.1", "1.2"):
                raise MalformedAnswer(f"OneRoster {value!r} is not read here; export version 1.1 or 1.2", where=where)
            said[key.lower()] = value.lower() if key.lower().startswith("file.") else value
    return said


def _refusal(key: str, value: str) -> str:
    if value.lower() == "delta":
        return (
            f"{key} is a delta: it holds only what changed, and an archive of it would claim to be whole;"
            " export everything (bulk)"
        )
    return f"{key} is {value!r}; bulk or absent is needed"
