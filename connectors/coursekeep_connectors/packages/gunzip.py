"""Reading a gzip file from any place: marks along the way spare the way from the beginning.

A mark is a copy of the decompressor's state (about 40 KB), taken every so many bytes. The number of marks is bounded;
in a longer file they lie further apart.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from coursekeep import MalformedAnswer, RetryLater
from coursekeep_connectors.packages.place import PackageFile

__all__ = ["Cursor", "Marks"]

#: bytes that are read, and unpacked, at one time
_PACKED = 256 * 1024
_BLOCK = 2**20
_MOST_MARKS = 256
_GZIP = 31  # zlib's word for "with a gzip header"


@dataclass(frozen=True, slots=True)
class _Mark:
    position: int
    packed: int
    state: Any


@dataclass(slots=True)
class Marks:
    """The marks of one file, in order."""

    every: int = 16 * 2**20
    #: set where nobody waits for the reading any longer
    halt: threading.Event = field(default_factory=threading.Event)
    _marks: list[_Mark] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def due(self, position: int) -> bool:
        """Tell whether a mark is due at a position."""
        last = self._marks[-1].position if self._marks else 0
        return position - last >= self.every

    def add(self, mark: _Mark) -> None:
        """Take a mark behind all others."""
        with self._lock:
            if self._marks and mark.position <= self._marks[-1].position:
                return
            self._marks.append(mark)
            if len(self._marks) >= _MOST_MARKS:
                self._marks = self._marks[1::2]
                self.every *= 2

    def before(self, position: int) -> _Mark | None:
        """Return the last mark at or before a position."""
        with self._lock:
            at = bisect_right(self._marks, position, key=lambda mark: mark.position)
            return self._marks[at - 1] if at else None


class Cursor:
    """Reads the unpacked bytes of a gzip file forward, from its beginning or from a mark.

    It unpacks a block at a time, and gives it out in pieces: headers and short entries do not each call the unpacker.
    """

    def __init__(self, file: PackageFile, marks: Marks, start: int = 0) -> None:
        """Take an open file, and go to `start`."""
        self._file = file
        self._marks = marks
        mark = marks.before(start)
        self._packed = mark.packed if mark else 0
        self._state: Any = mark.state.copy() if mark else zlib.decompressobj(_GZIP)
        self._rest = b""
        self._block = b""
        self._given = 0
        #: where the block ends
        self._unpacked = mark.position if mark else 0
        self.skip(start - self._unpacked)

    @property
    def position(self) -> int:
        """The unpacked bytes before the next one."""
        return self._unpacked - len(self._block) + self._given

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; empty at the end. Raises `MalformedAnswer` for damage and a missing end."""
        if size <= 0 or (self._given == len(self._block) and not self._fill()):
            return b""
        start, self._given = self._given, min(self._given + size, len(self._block))
        return self._block if self._given - start == len(self._block) else self._block[start : self._given]

    def skip(self, size: int) -> None:
        """Go forward."""
        while size > 0:
            if self._given == len(self._block) and not self._fill():
                raise self._damaged("it ends early")
            step = min(size, len(self._block) - self._given)
            self._given += step
            size -= step

    def _fill(self) -> bool:
        """Unpack the next block; False at the end."""
        if self._marks.halt.is_set():
            raise RetryLater("the reading was stopped", where=self._file.name)
        while True:
            if self._state.eof and not self._next_member():
                return False
            if not self._rest:
                self._rest = self._file.pread(self._packed, _PACKED)
                self._packed += len(self._rest)
                if not self._rest:
                    raise self._damaged("it is cut off")
            if self._marks.due(self._unpacked) and not self._state.eof:
                self._marks.add(_Mark(self._unpacked, self._packed - len(self._rest), self._state.copy()))
            block = self._unpack()
            if block:
                self._block, self._given = block, 0
                self._unpacked += len(block)
                return True

    def _unpack(self) -> bytes:
        try:
            data: bytes = self._state.decompress(self._rest, _BLOCK)
        except zlib.error as error:
            raise self._damaged(str(error)) from error
        self._rest = self._state.unused_data if self._state.eof else self._state.unconsumed_tail
        return data

    def _next_member(self) -> bool:
        """Go on with the next gzip stream in the file; what else follows the last one is padding."""
        if len(self._rest) < 2:
            more = self._file.pread(self._packed, _PACKED)
            self._packed += len(more)
            self._rest += more
        if self._rest[:2] != b"\x1f\x8b":
            return False
        self._state = zlib.decompressobj(_GZIP)
        return True

    def _damaged(self, why: str) -> MalformedAnswer:
        return MalformedAnswer(f"the gzip file is damaged after {self._unpacked:,} bytes: {why}", where=self._file.name)
