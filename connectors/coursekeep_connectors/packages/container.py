"""A package as a container of entries: what zip and tar have in common, and what no container may hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from coursekeep import MalformedAnswer
from coursekeep_connectors.packages.place import PackageFile
from coursekeep_connectors.packages.settings import PackagesSettings

__all__ = ["Container", "Entry", "Reader", "Toll", "safe_entry"]

#: bytes that any package may unpack to, whatever its own size
_FREE = 64 * 2**20
#: bytes of an entry's name
_LONGEST_NAME = 4096


class Reader(Protocol):
    """What reads an entry. `read` returns empty bytes at the end and raises `MalformedAnswer` for damage."""

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file in a package. `place` orders entries as they lie in the package."""

    name: str
    size: int
    place: int


class Container(ABC):
    """An open package. Reading is blocking, and safe from several threads."""

    #: the files in the package by name, in the order in which they lie in it
    entries: Mapping[str, Entry]
    #: True where reading out of order costs time, so that one entry should be read after the other
    in_turn: bool = False

    def __init__(self, file: PackageFile) -> None:
        """Take the package's bytes; `close` closes them too."""
        self.file = file

    @abstractmethod
    def open(self, name: str) -> Reader:
        """Open an entry. Raises `MalformedAnswer` where it is missing."""

    def close(self) -> None:
        """Close the package; readers end with it."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Toll:
    """Counts what a package unpacks to, and raises `MalformedAnswer` where it is more than the settings allow."""

    def __init__(self, file: PackageFile, limits: PackagesSettings) -> None:
        self.limits = limits
        self._where = file.name
        self._packed = file.size
        self._entries = 0
        self._bytes = 0

    def entry(self) -> None:
        """Count an entry."""
        self._entries += 1
        if self._entries > self.limits.max_entries:
            raise self.refused(f"it holds more than the {self.limits.max_entries:,} entries that max_entries allows")

    def unpacked(self, size: int) -> None:
        """Count bytes."""
        self._bytes += size
        if self._bytes > self.limits.max_unpacked:
            raise self.refused(f"it unpacks to more than the {self.limits.max_unpacked:,} bytes of max_unpacked")
        if self._bytes > _FREE and self._bytes > self._packed * self.limits.max_ratio:
            detail = f"it unpacks to more than {self.limits.max_ratio:g} times its size, which max_ratio forbids"
            raise self.refused(detail)

    def refused(self, why: str) -> MalformedAnswer:
        """Return the error that refuses the package."""
        return MalformedAnswer(f"the package is refused: {why}", where=self._where)


def safe_entry(name: str, toll: Toll) -> str:
    """Return an entry's name as a relative path. Raises `MalformedAnswer` for one that leads out of the package.

    No entry is ever written under its name; but a package that tries to escape is not one that an LMS made.
    """
    shown = name if len(name) <= 80 else name[:77] + "..."
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        raise toll.refused(f"an entry's name is longer than {_LONGEST_NAME:,} bytes: {shown!r}")
    path = name.replace("\\", "/")
    if path.startswith("/") or (len(path) > 1 and path[1] == ":" and path[0].isalpha()):
        raise toll.refused(f"the entry {shown!r} has an absolute path")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise toll.refused(f"the entry {shown!r} leads out of the package")
    if len(parts) > toll.limits.max_depth:
        raise toll.refused(f"the entry {shown!r} lies deeper than the {toll.limits.max_depth} folders of max_depth")
    if not parts or "\0" in name:
        raise toll.refused(f"an entry has no usable name: {shown!r}")
    return "/".join(parts).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
