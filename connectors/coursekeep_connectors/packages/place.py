"""Where packages lie, and the bytes of one: what a folder on a disk and a prefix of an object store have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self
from urllib.parse import quote, unquote_to_bytes

from coursekeep import RetryLater

__all__ = ["Found", "PackageFile", "Place", "Stamp", "id_of", "path_of", "replaced"]

#: size of a file, and what else changes with its content: the time of its change, or an object's ETag
Stamp = tuple[int, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A file that is there, whatever it may be."""

    id: str
    #: its last name, for people
    name: str
    stamp: Stamp

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.stamp[0]


class PackageFile(ABC):
    """The bytes of one file, from any place in it. Reading is blocking, and safe from several threads."""

    def __init__(self, name: str, stamp: Stamp) -> None:
        self.name = name
        self.stamp = stamp

    @property
    def size(self) -> int:
        """The bytes of the file."""
        return self.stamp[0]

    @abstractmethod
    def pread(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset; fewer only where the file ends.

        Raises `RetryLater` where the file is no longer what it was when it was opened, or cannot be read now,
        `NotFound`, `NoAccess`, `CredentialsNeeded`.
        """

    def close(self) -> None:
        """Give back what the file holds."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Place(ABC):
    """Holds files. Its methods are blocking, and safe from several threads."""

    #: for people, and for packages to say where they come from; without secrets
    address: str

    @abstractmethod
    def files(self) -> Iterator[Found]:
        """Yield all files in a stable order. Raises `NotFound`, `NoAccess`, `CredentialsNeeded`, `RetryLater`."""

    @abstractmethod
    def find(self, id_: str) -> Found | None:
        """Return the file of an id; None where there is none, or where the id leads out of the place."""

    @abstractmethod
    def open(self, found: Found) -> PackageFile:
        """Open a file, as it is now. Raises `NotFound`, `NoAccess`, `RetryLater`."""


def id_of(path: str) -> str:
    """Return the id of a file: its path in the place, with `/`.

    Names that are no clean text, or would be mistaken for something else, are percent-encoded as a whole; a plain id
    never holds `%`, so that no two files share an id.
    """
    odd = "%" in path or not path.isprintable() or path != path.strip() or path.startswith("sis:")
    return quote(os.fsencode(path), safe="/") if odd else path


def path_of(id_: str) -> str | None:
    """Return the path of an id; None for what is the id of no file, or leads out of the place."""
    path = os.fsdecode(unquote_to_bytes(id_)) if "%" in id_ else id_
    parts = PurePosixPath(path).parts
    if not parts or "\0" in path or ".." in parts or path != "/".join(parts) or id_of(path) != id_:
        return None
    return path


def replaced(name: str) -> RetryLater:
    """Return the error for a file that is no longer what it was."""
    return RetryLater("the file changed while it was read", where=name)
