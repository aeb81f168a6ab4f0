"""Reading a gzip file from any place: marks along the way spare the way from the beginning.

A mark is a copy of the decompressor's state (about 40 KB), taken every so many bytes. The number of marks is bounded;
in a longer file they lie further apart.
"""

from __future__ import annotations

import os
import threading
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from coursekeep import MalformedAnswer, RetryLater

__all__ = ["Cursor", "Marks"]

_BLOCK = 256 * 1024
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
    """Reads the unpacked bytes of a gzip file forward, from its beginning or from a mark."""

    def __init__(self, handle: int, name: str, marks: Marks, start: int = 0) -> None:
        """Take an open file's descriptor, read with its own position each time, and go to `start`."""
        self._handle = handle
        self._name = name
        self._marks = marks
        mark = marks.before(start)
        self._packed = mark.packed if mark else 0
        self._state: Any = mark.state.copy() if mark else zlib.decompressobj(_GZIP)
        self._rest = b""
        self.position = mark.position if mark else 0
        self.skip(start - self.position)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; empty at the end. Raises `MalformedAnswer` for damage and a missing end."""
        if self._marks.halt.is_set():
            raise RetryLater("the reading was stopped", where=self._name)
        while size > 0:
            if self._state.eof and not self._next_member():
                return b""
            if not self._rest:
                self._rest = os.pread(self._handle, _BLOCK, self._packed)
                self._packed += len(self._rest)
                if not self._rest:
                    raise self._damaged("it is cut off")
            data = self._unpack(size)
            if data:
                self.position += len(data)
                if self._marks.due(self.position) and not self._state.eof:
                    mark = _Mark(self.position, self._packed - len(self._rest), self._state.copy())
                    self._marks.add(mark)
                return data
        return b""

    def skip(self, size: int) -> None:
        """Go forward."""
        while size > 0:
            data = self.read(min(size, 2**20))
            if not data:
                raise self._damaged("it ends early")
            size -= len(data)

    def _unpack(self, size: int) -> bytes:
        try:
            data: bytes = self._state.decompress(self._rest, size)
        except zlib.error as error:
            raise self._damaged(str(error)) from error
        self._rest = self._state.unused_data if self._state.eof else self._state.unconsumed_tail
        return data

    def _next_member(self) -> bool:
        """Go on with the next gzip stream in the file; what else follows the last one is padding."""
        if len(self._rest) < 2:
            more = os.pread(self._handle, _BLOCK, self._packed)
            self._packed += len(more)
            self._rest += more
        if self._rest[:2] != b"\x1f\x8b":
            return False
        self._state = zlib.decompressobj(_GZIP)
        return True

    def _damaged(self, why: str) -> MalformedAnswer:
        return MalformedAnswer(f"the gzip file is damaged after {self.position:,} bytes: {why}", where=self._name)
