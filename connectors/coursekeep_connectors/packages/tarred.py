"""Packages that are gzipped tar files. They are listed once from end to end; entries are then read where they lie."""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Iterator, Mapping

from coursekeep import MalformedAnswer
from coursekeep_connectors.packages.container import Container, Entry, Reader, Toll, safe_entry
from coursekeep_connectors.packages.gunzip import Cursor, Marks
from coursekeep_connectors.packages.place import PackageFile

__all__ = ["TarContainer", "walk_tar"]

_BLOCK = 512
#: bytes of a long name or of extended headers; real ones have hundreds
_LONGEST_HEADER = 256 * 1024
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
#: cursors that wait for an entry behind the last one they read
_IDLE = 2


class TarContainer(Container):
    """A tar file packed with gzip."""

    in_turn = True

    def __init__(self, file: PackageFile, toll: Toll, halt: threading.Event | None = None) -> None:
        """List it, which reads it whole. Raises `MalformedAnswer`, and what `PackageFile.pread` raises."""
        super().__init__(file)
        self._marks = Marks(halt=halt or threading.Event())
        self._idle: list[Cursor] = []
        self._lock = threading.Lock()
        listed: dict[str, Entry] = {}
        for entry, _ in walk_tar(Cursor(file, self._marks), toll):
            if entry.name in listed:
                raise toll.refused(f"two entries are named {entry.name!r}, and which is meant cannot be told")
            listed[entry.name] = entry
        self.entries: Mapping[str, Entry] = listed

    def open(self, name: str) -> Reader:
        """Open an entry."""
        entry = self.entries.get(name)
        if entry is None:
            raise MalformedAnswer(f"the package has no entry {name!r}", where=self.file.name)
        return _TarReader(self, entry)

    def cursor(self, position: int) -> Cursor:
        """Return a cursor at a position: one that waits not far before it, else a new one from the nearest mark."""
        with self._lock:
            mark = self._marks.before(position)
            near = [one for one in self._idle if (mark.position if mark else 0) <= one.position <= position]
            cursor = max(near, key=lambda one: one.position, default=None)
            if cursor is not None:
                self._idle.remove(cursor)
        if cursor is None:
            return Cursor(self.file, self._marks, position)
        cursor.skip(position - cursor.position)
        return cursor

    def give_back(self, cursor: Cursor) -> None:
        """Keep a cursor for the next entry."""
        with self._lock:
            self._idle.append(cursor)
            del self._idle[:-_IDLE]


class _TarReader:
    def __init__(self, container: TarContainer, entry: Entry) -> None:
        self._container = container
        self._entry = entry
        self._left = entry.size
        self._cursor: Cursor | None = None

    def read(self, size: int = -1, /) -> bytes:
        if self._cursor is None:
            self._cursor = self._container.cursor(self._entry.place)
        pieces: list[bytes] = []
        wanted = self._left if size < 0 else min(size, self._left)
        while wanted:
            data = self._cursor.read(wanted)
            if not data:
                raise MalformedAnswer("the entry ends early", where=self._entry.name)
            pieces.append(data)
            wanted -= len(data)
            self._left -= len(data)
        return b"".join(pieces)

    def close(self) -> None:
        if self._cursor is not None:
            self._container.give_back(self._cursor)
            self._cursor = None


def walk_tar(cursor: Cursor, toll: Toll) -> Iterator[tuple[Entry, Cursor]]:
    """Yield the files of a tar file in order, the cursor at the beginning of each; it may be read or not.

    Raises `MalformedAnswer` for what no LMS writes: links, devices, escaping names, headers without end.
    """
    longer: dict[str, str] = {}
    while (header := _header(cursor, toll)) is not None:
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE):
            found = _extended(cursor, header, toll)
            longer |= {} if header.type == tarfile.XGLTYPE else found
            continue
        name, size = longer.get("path", header.name), int(longer.get("size", header.size))
        longer = {}
        toll.entry()
        if header.type == tarfile.DIRTYPE:
            continue
        entry = Entry(name=safe_entry(name, toll), size=size, place=cursor.position)
        if header.type not in _FILES or size < 0:
            raise toll.refused(f"the entry {entry.name!r} is a link, a device or of an unknown type")
        toll.unpacked(size)
        yield entry, cursor
        cursor.skip(entry.place + _padded(size) - cursor.position)


def _header(cursor: Cursor, toll: Toll) -> tarfile.TarInfo | None:
    """Return the next header; None at the end of the tar file, the cursor then at the end of the gzip file."""
    block = _exactly(cursor, _BLOCK)
    if not block.strip(b"\0"):
        if block or cursor.position:
            _drain(cursor, toll)
            return None
        raise toll.refused("it is empty")
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise toll.refused(f"it is no tar file, or a damaged one, at byte {cursor.position - _BLOCK:,}") from error


def _drain(cursor: Cursor, toll: Toll) -> None:
    """Read to the end: the checksum of the gzip file stands there."""
    while data := cursor.read(2**20):
        toll.unpacked(len(data))


def _extended(cursor: Cursor, header: tarfile.TarInfo, toll: Toll) -> dict[str, str]:
    if not 0 <= header.size <= _LONGEST_HEADER:
        raise toll.refused(f"an extended header has {header.size:,} bytes")
    toll.entry()
    data = _exactly(cursor, _padded(header.size))[: header.size]
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": os.fsdecode(data.rstrip(b"\0"))}
    found: dict[str, str] = {}
    while data:
        length = data[:16].partition(b" ")[0]
        if not length.isdigit() or not 0 < int(length) <= len(data):
            raise toll.refused("an extended header makes no sense")
        key, _, value = data[len(length) + 1 : int(length)].rstrip(b"\n").partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        data = data[int(length) :]
    size = found.get("size", "0")
    if not (size.isascii() and size.isdigit() and len(size) < 16) or any(key.startswith("GNU.sparse") for key in found):
        raise toll.refused("an extended header describes a file with holes, or without a size")
    return found


def _exactly(cursor: Cursor, size: int) -> bytes:
    pieces: list[bytes] = []
    while size and (data := cursor.read(size)):
        pieces.append(data)
        size -= len(data)
    return b"".join(pieces)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
