"""Packages that are zip files. The directory is counted before it is read, since a lying one may fill the memory."""

from __future__ import annotations

import io
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

from coursekeep import MalformedAnswer
from coursekeep_connectors.packages.container import Container, Entry, Reader, Toll, safe_entry
from coursekeep_connectors.packages.place import PackageFile

__all__ = ["ZipContainer"]

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LISTED = struct.Struct("<4s4B4HL2L5H2L")
_TAIL = 22 + 65_535
_BAD = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, struct.error, ValueError, OverflowError)
#: what LMSs write; unpacking others may take any amount of memory
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
#: bytes of the directory for each entry that is allowed
_ROOM = 1024
#: bytes that are read at least
_AHEAD = 64 * 1024


class ZipContainer(Container):
    """A zip file."""

    def __init__(self, file: PackageFile, toll: Toll) -> None:
        """Judge it. Raises `MalformedAnswer`, and what `PackageFile.pread` raises."""
        super().__init__(file)
        source = io.BufferedReader(_Seekable(file), _AHEAD)
        try:
            _count(source, toll)
            source.seek(0)
            self._zip = zipfile.ZipFile(source)
            self.entries: Mapping[str, Entry]
            self._infos, self.entries = _judged(self._zip, toll)
        except _BAD as error:
            raise MalformedAnswer(f"the zip file cannot be read: {error}", where=file.name) from error

    def open(self, name: str) -> Reader:
        """Open an entry."""
        info = self._infos.get(name)
        if info is None:
            raise MalformedAnswer(f"the package has no entry {name!r}", where=self.file.name)
        where = f"{self.file.name}: {name}"
        try:
            return _ZipReader(self._zip.open(info), info.file_size, where)
        except (*_BAD, RuntimeError, OSError) as error:
            raise MalformedAnswer(f"the entry cannot be read: {error}", where=where) from error


class _Seekable(io.RawIOBase):
    """A package's bytes as a file, for those who seek."""

    def __init__(self, file: PackageFile) -> None:
        self._file = file
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.size}[whence]
        if start + offset < 0:
            raise ValueError("a place before the beginning")
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.pread(self._place, len(buffer))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


class _ZipReader:
    """Reads an entry, and makes sure that it is as long as the directory says, and its checksum right."""

    def __init__(self, stream: IO[bytes], size: int, where: str) -> None:
        self._stream = stream
        self._left = size
        self._where = where
        self._lock = threading.Lock()

    def read(self, size: int = -1, /) -> bytes:
        with self._lock:
            try:
                data = self._stream.read(self._left + 1 if size < 0 else size)
            except (*_BAD, OSError) as error:
                raise MalformedAnswer(f"the entry is damaged: {error}", where=self._where) from error
            self._left -= len(data)
            if not data and self._left and size:
                raise MalformedAnswer(f"the entry ends {self._left:,} bytes before its end", where=self._where)
            return data

    def close(self) -> None:
        self._stream.close()


def _judged(archive: zipfile.ZipFile, toll: Toll) -> tuple[dict[str, zipfile.ZipInfo], dict[str, Entry]]:
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = safe_entry(info.filename, toll)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise toll.refused(f"the entry {name!r} is a link or a device")
        if info.is_dir():
            continue
        if name in infos:
            raise toll.refused(f"two entries are named {name!r}, and which is meant cannot be told")
        if info.flag_bits & 0x1:
            raise toll.refused(f"the entry {name!r} is encrypted")
        if info.compress_type not in _METHODS:
            raise toll.refused(f"the entry {name!r} is packed by method {info.compress_type}, which is not known here")
        toll.unpacked(info.file_size)
        infos[name] = info
    ordered = sorted(infos.items(), key=lambda pair: pair[1].header_offset)
    entries = {name: Entry(name=name, size=info.file_size, place=info.header_offset) for name, info in ordered}
    return infos, entries


def _count(source: IO[bytes], toll: Toll) -> None:
    """Count the entries of the directory, a block at a time. Raises `MalformedAnswer`, BadZipFile."""
    size, end = _directory(source)
    if size > toll.limits.max_entries * _ROOM + 2**20:
        raise toll.refused(f"its directory has {size:,} bytes, more than the entries that max_entries allows can need")
    source.seek(end - size)
    left, held = size, b""
    while left or len(held) >= _LISTED.size:
        if len(held) < _LISTED.size + 3 * 65_535 and left:
            block = source.read(min(left, 2**20))
            if not block:
                break
            left -= len(block)
            held += block
        if held[:4] != b"PK\x01\x02" or len(held) < _LISTED.size:
            break
        fields = _LISTED.unpack_from(held)
        toll.entry()
        held = held[_LISTED.size + sum(fields[12:15]) :]


def _directory(source: IO[bytes]) -> tuple[int, int]:
    """Return the size of the directory, and where it ends."""
    length = source.seek(0, 2)
    source.seek(max(0, length - _TAIL))
    tail = source.read(_TAIL)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("it has no directory; it may be cut off")
    end = max(0, length - _TAIL) + at
    size: int = _END.unpack_from(tail, at)[5]
    if end >= _END64_LOCATOR.size:
        source.seek(end - _END64_LOCATOR.size)
        if source.read(4) == b"PK\x06\x07":
            source.seek(end - _END64_LOCATOR.size - _END64.size)
            fields = _END64.unpack(source.read(_END64.size))
            if fields[0] == b"PK\x06\x06":
                size, end = fields[8], end - _END64_LOCATOR.size - _END64.size
    if size > end:
        raise zipfile.BadZipFile("its directory is said to be larger than the file")
    return size, end
