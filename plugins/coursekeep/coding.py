"""Undoing content codings, in bounded memory and with an eye for ends that are missing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

from coursekeep.errors import MalformedAnswer

__all__ = ["Gunzip", "is_coded"]

_BLOCK = 1024 * 1024
#: names that do not change the bytes; the last is left on stored objects by some upload tools
_PLAIN = frozenset({"", "identity", "aws-chunked"})
_GZIP = frozenset({"gzip", "x-gzip", "deflate"})
_EITHER_HEADER = 32 + zlib.MAX_WBITS


def is_coded(headers: httpx.Headers, where: str) -> bool:
    """Tell whether a body must be unpacked; raises `MalformedAnswer` for a coding that nobody asked for."""
    names = [name.strip().lower() for name in headers.get("content-encoding", "").split(",")]
    codings = [name for name in names if name not in _PLAIN]
    if not codings:
        return False
    if len(codings) == 1 and codings[0] in _GZIP:
        return True
    raise MalformedAnswer(f"the body has a content coding that was not asked for: {', '.join(codings)}", where=where)


class Gunzip:
    """Unpack gzip, member by member, giving out a bounded block at a time."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_EITHER_HEADER)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes unpack to; raises ValueError for what is no gzip."""
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(_EITHER_HEADER)
            try:
                block = self._member.decompress(data, _BLOCK)
            except zlib.error as error:
                raise ValueError("the body is not the gzip it is said to be") from error
            data = self._member.unconsumed_tail or self._member.unused_data
            if block:
                yield block

    def finish(self) -> bytes:
        """Return what is left; raises ValueError where the last member has no end."""
        rest = self._member.flush()
        if not self._member.eof:
            raise ValueError("the gzip body ends early")
        return rest
